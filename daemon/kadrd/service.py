"""COMPOSITION ROOT: builds every part, starts them in order, stops them in reverse. The only module that knows all.

Crash-only: SIGKILL is the tested stop, SIGTERM only shortens it. Nothing below depends on having been stopped well.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from kadr.protocol.errors import Busy
from kadr.protocol.frames import REPLY_LIMIT, REQUEST_LIMIT
from kadr.protocol.messages import CAPABILITIES, PROTOCOL, Welcome
from kadr.protocol.paths import Paths
from kadrd import __version__
from kadrd.config import Config
from kadrd.embed.errors import ModelError
from kadrd.embed.models import Model, Shelf
from kadrd.embed.runtime import Encoder
from kadrd.ingest.backlog import Backlog
from kadrd.ingest.formats import DECODER, FACTS
from kadrd.ingest.loop import Ingest
from kadrd.ingest.pausing import Pauses
from kadrd.ingest.pipeline import Pipeline, Target
from kadrd.ingest.scanner import Scanner
from kadrd.ingest.settle import Settle
from kadrd.ingest.watch import Watcher
from kadrd.ingest.workers import Worker
from kadrd.mending import Mending
from kadrd.places import Places
from kadrd.query.asking import Serving
from kadrd.query.meaning import Words
from kadrd.query.scores import Scores
from kadrd.serve import activation, commands, listener, report
from kadrd.serve.listener import Lock, LockLost, taken_over
from kadrd.serve.notify import Manager
from kadrd.serve.parts import Parts
from kadrd.serve.session import BUSY_RETRY_MS, Session
from kadrd.serve.tag_parts import TagParts
from kadrd.serve.warming import warm
from kadrd.store import reserve
from kadrd.store.reader import Reader
from kadrd.store.searches import Searches
from kadrd.store.shards import Index
from kadrd.values import Place

log = logging.getLogger(__name__)

CONNECTIONS = 128
REST_SECONDS = 10.0
SWITCH_SECONDS = 0.0001
TEXT_THREADS = 1
ANSWER_SECONDS = 1.0
STOP_SECONDS = 20.0


async def run(paths: Paths, config: Config, shelf: Shelf) -> None:
    """Serve until told to stop. When the catalogue is found damaged it is made anew, and served again."""
    told = asyncio.Event()
    # `kadrd model` sends it to whoever holds the lock, which may be long before anybody listens.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    manager, passed = Manager(), activation.passed(paths.socket)
    path = lock_path(paths)
    lock = taken_over(path) if passed or manager.listens else Lock(path)
    models = lambda: {model.fingerprint: model.name for model in shelf.readable()}  # noqa: E731
    mending = Mending(paths.state, shards_folder(paths), models)
    try:
        while not told.is_set():
            try:
                await Service(
                    paths, config, shelf, lock=lock, mending=mending, told=told, manager=manager, passed=passed,
                ).run()  # fmt: skip
            except Exception as error:
                if not mending.heard(error):
                    raise
            if not mending.wanted:
                mending.ended_well()
                return
    finally:
        lock.release()


class Service:
    """The daemon of one instance."""

    def __init__(
        self, paths: Paths, config: Config, shelf: Shelf, *, lock: Lock, mending: Mending, told: asyncio.Event,
        manager: Manager, passed: socket.socket | None,
    ) -> None:  # fmt: skip
        self._paths, self._config, self._shelf = paths, config, shelf
        self._manager, self._passed = manager, passed
        self._lock, self._mending, self._told = lock, mending, told
        self._stopping, self._look = asyncio.Event(), asyncio.Event()
        self._sessions: dict[asyncio.Task[None], Session] = {}

    async def run(self) -> None:
        """Serve until told to stop."""
        # A thread that is in the middle of Python is asked to pause after so long: the indexing thread would hold up
        # every step of an answer for the 5 ms that Python gives it.
        sys.setswitchinterval(SWITCH_SECONDS)
        with contextlib.ExitStack() as open_parts:
            self._loop = asyncio.get_running_loop()
            self._manager.busy()
            self._build(open_parts)
            _spare_the_collector()
            self._door = listener.opened(self._passed, self._paths.socket)
            self._server = await self._serving_at(self._door)
            self._on_signals()
            self._ingest.call(self._choose)  # it may have changed before anybody listened
            self._ingest.start()
            open_parts.callback(self._stop_ingest)
            self._parts.tags.tagger.start()
            open_parts.callback(self._parts.tags.tagger.stop)
            model = self._parts.serving.model.name
            log.info("kadrd %s answers at %s with model %s", __version__, self._paths.socket, model)
            open_parts.enter_context(self._mending.begin(self._begin_anew))
            self._warm()
            telling = asyncio.ensure_future(
                self._manager.keep_told(self._ingest.is_alive, partial(report.sentence, self._parts))
            )
            try:
                await self._until_stopped()
            finally:
                if self._told.is_set():
                    self._manager.stopping()
                telling.cancel()
                self._server.close()
                self._warming.cancel()
                await self._end_sessions()
                if self._door.leads_here() and not self._door.passed:
                    os.unlink(self._paths.socket)
        log.info("stopped")

    async def _until_stopped(self) -> None:
        """Every ten seconds, and at SIGHUP: is this still the daemon of this home, and can it be reached?"""
        while not (self._stopping.is_set() or self._told.is_set()):
            self._look.clear()
            if not self._lock.holds():
                raise LockLost(self._lock.path)
            if not self._door.leads_here():
                await self._listen_anew()
            self._parts.rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST_SECONDS):
                    await self._look.wait()

    async def _listen_anew(self) -> None:
        """Somebody took the socket's name away. Who is connected stays so."""
        log.warning("the socket %s was gone or another's, and is made again", self._paths.socket)
        try:
            door = listener.listen(self._paths.socket)
        except (OSError, listener.UnsafeFolder) as error:
            log.warning("the socket cannot be made: %s", error)  # in ten seconds again
            return
        server = await self._serving_at(door)
        self._server.close()
        self._door, self._server = door, server

    async def _serving_at(self, door: listener.Door) -> asyncio.Server:
        # start_unix_server takes the socket's name away when it closes, from Python 3.13 on: a manager's too.
        return await asyncio.start_server(self._connected, sock=door.socket, backlog=listener.BACKLOG)

    # Building

    def _build(self, open_parts: contextlib.ExitStack) -> None:
        for folder in (self._paths.state, self._paths.cache, self._paths.data):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        reserve.make_room(self._paths.state)
        self._catalogue = self._mending.opened()
        open_parts.callback(self._catalogue.close)
        self._reader = Reader(self._mending.path)
        open_parts.callback(self._reader.close)
        self._places = Places(self._paths.cache)
        open_parts.callback(self._places.close)
        self._read_again_after_update()
        serving = self._target(self._serving_model())
        self._sweep_models(serving.model)
        self._build_ingest(open_parts, serving)
        self._tags = TagParts(
            self._config.tags, cache=self._paths.cache, reader=self._reader, catalogue=self._catalogue,
            ingest=self._ingest, serving=lambda: self._parts.serving,
        )  # fmt: skip
        self._parts = Parts(
            paths=self._paths, config=self._config, reader=self._reader, ingest=self._ingest, watcher=self._watcher,
            serving=self._with_words(serving), worker=self._worker(), places=self._places,
            searches=Searches(os.path.join(self._paths.state, "searches.json")), tags=self._tags, stop=self._stop,
        )  # fmt: skip
        # On two cores an answer took 4.1 times as long as alone beside a worker that encodes, 3.3 beside one that stands still
        # for those milliseconds (the longest of a hundred; bench/abuse.py).
        self._parts.pool.stand_still = self._ingest.worker.stand_still
        self._parts.suspect = self._ingest.suspect = self._mending.heard
        self._parts.salvaged = self._mending.salvaged
        open_parts.callback(self._parts.close)
        self._choose()

    def _read_again_after_update(self) -> None:
        """Give everything that failed another try when the decoder has changed, and read every file again when more is
        read of them: nothing is encoded for that.
        """
        tree = self._catalogue.tree
        for name, version, again in (
            ("decoder", DECODER, lambda: tree.retry(b"")),
            ("facts", FACTS, tree.read_all_again),
        ):
            if self._catalogue.setting(name) != str(version):
                with self._catalogue.transaction():
                    again()
                    self._catalogue.set(name, str(version))

    def _build_ingest(self, open_parts: contextlib.ExitStack, serving: Target) -> None:
        backlog, settle = Backlog(), Settle(self._config.scan.quiet_seconds)
        fence_folder = os.path.join(self._paths.state, "fence")
        self._watcher = Watcher(backlog.add, self._lost, fence_folder, partial(backlog.add, deep=True))
        open_parts.callback(self._watcher.close)
        worker = self._worker()
        pipeline = Pipeline(self._catalogue, worker, settle, DECODER, self._place_of)
        pipeline.targets = (serving,)
        scanner = Scanner(self._catalogue, backlog, self._watcher, settle, self._config.scan)
        self._ingest = Ingest(
            catalogue=self._catalogue, config=self._config, backlog=backlog, watcher=self._watcher, worker=worker,
            settle=settle, scanner=scanner, pipeline=pipeline, switch=self._switch,
            pauses=Pauses(os.path.join(self._paths.state, "pause.json")),
        )  # fmt: skip

    def _place_of(self, latitude: float | None, longitude: float | None) -> Place | None:
        return None if latitude is None or longitude is None else self._places.at(latitude, longitude)

    def _lost(self) -> None:
        self._ingest.overflow()  # by name: the watcher is made before the thread that listens to it

    def _worker(self) -> Worker:
        return Worker(self._config.worker)

    # Models

    def _serving_model(self) -> Model:
        """The model whose vectors are complete, if it is still installed; else the chosen one."""
        serving = self._catalogue.setting("serving")
        model = self._shelf.serving(serving)
        if model.fingerprint != serving:
            with self._catalogue.transaction():
                self._catalogue.set("serving", model.fingerprint)
        return model

    def _target(self, model: Model) -> Target:
        model_id = self._catalogue.model_id(model.fingerprint, model.name)
        index = Index(
            folder=shards_folder(self._paths, model), catalogue=self._mending.path, reader=self._reader,
            model_id=model_id, fingerprint=model.fingerprint, dimension=model.dimension,
            seal_at=self._config.index.seal_at, shard_size=self._config.index.shard_size,
        )  # fmt: skip
        return Target(model, model_id, index)

    def _with_words(self, target: Target) -> Serving:
        encoder = Encoder(target.model, ("text",), TEXT_THREADS, Path(self._paths.cache, "compiled"))
        encoder.warm()
        words = Words(encoder)
        scores = Scores(target.model, words, target.index, Path(self._paths.cache, "phrases"))
        return Serving(target.model, target.model_id, target.index, words, scores)

    def _choose(self) -> None:
        """Take up the model that the user chose, beside the one that answers."""
        try:
            model = self._shelf.chosen()
        except ModelError as error:
            log.warning("%s %s", error.sentence, error.act)
            return
        serving = self._parts.serving.model.fingerprint
        following = self._ingest.next.model.fingerprint if self._ingest.next else serving
        if model.fingerprint != following:
            self._ingest.turn_over(None if model.fingerprint == serving else self._target(model))

    def _switch(self, target: Target) -> None:
        """Let the next model answer; called when it is complete."""
        self._parts.serving = self._with_words(target)
        log.info("model %s is complete and answers from now on", target.model.name)
        self._loop.call_soon_threadsafe(self._warm)

    def _warm(self) -> None:
        self._warming = asyncio.ensure_future(warm(self._parts))

    def _sweep_models(self, serving: Model) -> None:
        """Forget what belongs to models that are not installed any more: not of one that cannot be read just now."""
        try:
            installed = [serving, *(self._shelf.find(name) for name in self._shelf.names())]
        except (ModelError, OSError) as error:
            log.warning("no model's vectors are forgotten: %s", error)
            return
        self._catalogue.keep_models([model.fingerprint for model in installed])
        top, kept = shards_folder(self._paths), {shards_folder(self._paths, model) for model in installed}
        for name in os.listdir(top) if os.path.isdir(top) else ():
            if (folder := os.path.join(top, name)) not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    # Sessions

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if listener.peer_uid(writer.get_extra_info("socket")) != os.geteuid():
            writer.transport.abort()
            return
        session = Session(reader, writer, self._welcome, commands.performer(self._parts))
        if len(self._sessions) >= CONNECTIONS:
            await session.turn_away(Busy(retry_ms=BUSY_RETRY_MS))
            return
        task = asyncio.current_task()
        assert task is not None
        self._sessions[task] = session
        try:
            with contextlib.suppress(asyncio.CancelledError):  # stopping: asyncio would log a traceback
                await session.run()
        finally:
            del self._sessions[task]

    def _welcome(self) -> Welcome:
        model = self._parts.serving.model
        return Welcome(
            proto=PROTOCOL,
            server=f"kadrd/{__version__}",
            instance=self._parts.instance,
            caps=list(CAPABILITIES),
            limits={"request": REQUEST_LIMIT, "reply": REPLY_LIMIT},
            model={"name": model.name, "id": model.fingerprint, "dimension": model.dimension},
            warnings=report.warnings(self._parts),
        )

    async def _end_sessions(self) -> None:
        while self._sessions:  # one may have arrived while the others ended
            for task, session in list(self._sessions.items()):
                session.stop()
                task.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)

    # Stopping

    def _on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._look_again)

    def _stop(self) -> None:
        self._told.set()
        self._end()

    def _end(self) -> None:
        self._stopping.set()
        self._look.set()

    def _look_again(self) -> None:
        self._ingest.call(self._choose)
        self._look.set()

    def _begin_anew(self) -> None:
        """From any thread. The answer that is under way goes out first."""
        self._loop.call_soon_threadsafe(self._loop.call_later, ANSWER_SECONDS, self._end)

    def _stop_ingest(self) -> None:
        self._ingest.stop()
        self._ingest.worker.kill()  # a batch in flight is done again at the next start
        self._ingest.join(STOP_SECONDS)
        if self._ingest.is_alive():
            # It hangs on the disk of the catalogue, and so would whoever closes that. SIGKILL is the tested stop.
            log.warning("indexing has not stopped for %.0f s: the daemon ends without waiting", STOP_SECONDS)
            logging.shutdown()
            os._exit(0 if self._told.is_set() else 1)


def _spare_the_collector() -> None:
    """Have Python's collector look no more at what lives as long as the service: all of it is libraries and parts. A full
    collection took 15 to 48 ms without this, in the middle of somebody's answer, and 4 to 5 ms with it.
    """
    gc.unfreeze()  # what a service before this one has left
    gc.collect()
    gc.freeze()


def lock_path(paths: Paths) -> str:
    """The file whose lock says that a daemon runs, and whose content is its process number."""
    return os.path.join(paths.state, "lock")


def shards_folder(paths: Paths, model: Model | None = None) -> str:
    """Where the shards of *model* lie; without it, those of all."""
    top = os.path.join(paths.cache, "shards")
    return top if model is None else os.path.join(top, model.fingerprint[:16])
