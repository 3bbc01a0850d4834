"""The real daemon as a child process, and what a test asks of it. Nothing here waits by the clock.

Its log is read as it is written: the line "answers at" says that it is ready, and an error or a traceback that
nobody expected fails the test when the daemon ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kadr.connection import Connection
from kadr.protocol import messages, paths
from kadr.protocol.messages import End, Item, Reply
from kadrd.ingest.watch import Watcher
from kadrd.store.reader import Reader

PATIENCE = 45.0
SETTINGS: dict[str, dict[str, Any]] = {
    "worker": {"priority": "normal", "threads": 2},
    "scan": {"quiet_seconds": 0.05},
}


class Home:
    """A KADR_HOME with a tiny model and its settings."""

    def __init__(
        self, top: Path, make_model: Callable[..., Any], settings: dict[str, dict[str, Any]]
    ) -> None:
        self.top, self._make_model = top, make_model
        self.user: int | None = None  # whose daemon it is, when root runs the tests
        self.paths = paths.current({"KADR_HOME": str(top)})
        self.add_model("tiny")
        (top / "data" / "models" / "current").write_text("tiny\n")
        self.configure(**settings)

    def add_model(self, name: str, seed: int = 0) -> None:
        """Install another model; another seed gives other vectors."""
        self._make_model(self.top / "data" / "models" / name, name, seed=seed)

    def configure(self, **settings: dict[str, Any]) -> None:
        """Write kadr.toml: what suits tests, and *settings* over it."""
        lines = []
        for section in {**SETTINGS, **settings}:
            lines.append(f"[{section}]")
            values = SETTINGS.get(section, {}) | settings.get(section, {})
            lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        self.write_config("\n".join(lines))

    def write_config(self, text: str) -> None:
        config = Path(self.paths.config)
        config.parent.mkdir(exist_ok=True)
        config.write_text(text, encoding="utf-8")

    @property
    def catalogue(self) -> Path:
        return Path(self.paths.state, "catalogue.sqlite")

    @property
    def shards(self) -> Path:
        """The folder with the manifest of the one model that has shards."""
        (folder,) = Path(self.paths.cache, "shards").iterdir()
        return folder

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "KADR_HOME": str(self.top), **(more or {})}

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`kadrd` with *words*, until it ends."""
        command = [sys.executable, "-m", "kadrd", *words]
        return subprocess.run(
            command,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )

    def known(self, file: Path) -> Any:
        """What the catalogue says of *file*."""
        with contextlib.closing(Reader(str(self.catalogue))) as reader:
            return next(
                known
                for root, _ in reader.roots()
                for path, known in reader.files_under(root.id).items()
                if path == os.fsencode(file)
            )

    def committed(self) -> int:
        """How many vectors the catalogue holds."""
        with contextlib.closing(Reader(str(self.catalogue))) as reader:
            count: int = reader.count_vectors(1)
        return count


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


class Answer(NamedTuple):
    """The rows of a reply, and the body of its end."""

    rows: list[dict[str, Any]]
    body: dict[str, Any]


class Daemon:
    """`kadrd run` in a home, as often as it is started."""

    def __init__(self, home: Home) -> None:
        self.home = home
        """Parts of error lines that this test provokes."""
        self.wrapper: list[str] = []
        """A command that runs the daemon, in the same process; none as a rule."""
        self._process: subprocess.Popen[str] | None = None

    # Its life

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Start it; back when it answers."""
        self.log: list[str] = []
        self._heard = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [*self.wrapper, sys.executable, "-m", "kadrd", "run"], env=self.home.environment(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            user=self.home.user, group=self.home.user,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,))
        self._listener.start()
        self.hears("answers at")

    def _listen(self, lines: Any) -> None:
        for line in lines:
            with self._heard:
                self.log.append(line)
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()

    def hears(self, words: str) -> None:
        """Back when the log says *words*."""

        def said() -> bool:
            return any(words in line for line in self.log)

        with self._heard:
            assert self._heard.wait_for(lambda: said() or self._ended, PATIENCE), (
                f"no {words!r} in {self.log}"
            )
            assert said(), f"the daemon ended: {''.join(self.log)}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        assert self._process is not None
        code = self._process.wait(PATIENCE)
        self._listener.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    def stop(self) -> None:
        """SIGTERM, if it still runs. Fails when it logged an error that was not expected."""
        if self._process is None:
            return
        if self.alive:
            self.signal(signal.SIGTERM)
        with contextlib.suppress(ValueError):
            code = self.wait()
            assert code in (0, -signal.SIGKILL), f"exit code {code}: {''.join(self.log)}"
        self._process = None
        bad = [line for line in self.log if "Traceback" in line or " ERROR " in line]
        assert not bad, "".join(self.log)

    def restart(self) -> None:
        self.stop()
        self.start()

    def children(self) -> list[int]:
        """Its child processes."""
        found: list[int] = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has ended meanwhile
                found += map(int, (task / "children").read_text().split())
        return found

    def worker(self) -> int:
        """The process that decodes; there has to be one."""
        return next(
            pid
            for pid in self.children()
            if b"kadrd.ingest.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )

    # What is asked of it

    def connect(self) -> Connection:
        return Connection(self.home.paths.socket)

    def replies(self, request: tuple[Any, ...], seconds: float = PATIENCE) -> Iterator[Reply]:
        with self.connect() as connection:
            yield from connection.ask(request, seconds)

    def ask(self, request: tuple[Any, ...], seconds: float = PATIENCE) -> Answer:
        rows: list[dict[str, Any]] = []
        body: dict[str, Any] = {}
        for reply in self.replies(request, seconds):
            if isinstance(reply, Item):
                rows += reply.rows
            elif isinstance(reply, End):
                body = reply.body
        return Answer(rows, body)

    def add(self, root: Path | bytes) -> dict[str, Any]:
        return self.ask(messages.Add(os.fsencode(root))).body

    def remove(self, root: Path | bytes) -> dict[str, Any]:
        return self.ask(messages.Remove(os.fsencode(root))).body

    def rescan(self, path: Path | bytes = b"") -> dict[str, Any]:
        return self.ask(messages.Rescan(os.fsencode(path))).body

    def roots(self) -> list[bytes]:
        return [root["path"] for root in self.ask(messages.Roots()).body["roots"]]

    def sync(self) -> dict[str, Any]:
        return self.ask(messages.Sync()).body

    def status(self) -> dict[str, Any]:
        return self.ask(messages.Status()).body

    def verify(self) -> dict[str, Any]:
        return self.ask(messages.Verify()).body

    def found(self) -> list[Path]:
        """Every file that a search can show, by path."""
        rows = self.ask(messages.Search("red", messages.MAX_LIMIT, min_score=0)).rows
        return sorted(Path(os.fsdecode(row["path"])) for row in rows)

    def offline(self) -> list[bytes]:
        """The roots that every answer calls offline."""
        roots: list[bytes] = self.ask(messages.Search("red")).body["offline_roots"]
        return roots

    def failures(self) -> dict[str, str]:
        """Reason by file name."""
        return {os.path.basename(os.fsdecode(f["path"])): f["reason"] for f in self.status()["failures"]}

    # What is promised

    def check(self) -> dict[str, Any]:
        """Sync, then verify, which has to find nothing wrong."""
        self.sync()
        body = self.verify()
        assert body["ok"], body["problems"]
        return body

    def shows(self, *files: Path) -> None:
        """After sync a search shows these files and no other, and verify is content."""
        self.sync()
        assert self.found() == sorted(files)
        self.check()

    @contextlib.contextmanager
    def spending(self, **expected: int) -> Iterator[None]:
        """What happens inside costs, up to and with a sync, just so many `encodes`, `decodes` ..."""
        self.sync()
        before = self.status()
        yield
        self.sync()
        after = self.status()
        assert {name: after[name] - before[name] for name in expected} == expected

    def generation(self, ready: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Back when the manifest of shards is *ready*, and the daemon has taken it up."""
        import json

        from kadrd.store.generation import MANIFEST

        changed = threading.Condition()
        manifest = self.home.shards / MANIFEST

        def notify(_folder: bytes) -> None:
            with changed:
                changed.notify_all()

        def is_ready() -> bool:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return ready(json.loads(manifest.read_text())["shards"])
            return False

        watcher = Watcher(notify, lambda: None, str(self.home.top / "watching"))
        with contextlib.closing(watcher), changed:
            watcher.arm(os.fsencode(manifest.parent))
            assert changed.wait_for(is_ready, PATIENCE), os.listdir(manifest.parent)
        self.sync()
