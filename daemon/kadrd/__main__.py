"""kadrd: argv, logging, one sentence for every way it can fail. `kadrd run` is the daemon, the rest are commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kadr.protocol import paths as places
from kadrd import __version__

if TYPE_CHECKING:
    from kadrd.embed.models import Shelf

# sysexits.h, so that a service manager can tell what a restart cannot mend.
OK, FAILED, CONFIG, RUNNING, INTERRUPTED = 0, 4, 78, 75, 130

# One search uses one core: numpy's threads would turn in circles between two searches and take the others' time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(argv: Sequence[str] | None = None) -> int:
    try:
        return _main(argv)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("kadr", "kadrd", ""):
            raise
        extra = "train" if "train" in (sys.argv[1:] if argv is None else argv)[:1] else "daemon"
        return _fail(f"{package} is not installed.", f'Install it with: pip install "kadr[{extra}]"', CONFIG)
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(argv: Sequence[str] | None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 2
    if args.command == "run":
        return run()
    if args.command == "verify":
        return verify()
    if args.command == "model":
        return model(args)
    from kadrd.learn import train

    return train.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kadrd", description="The daemon behind kadr, and its models.")
    parser.add_argument("--version", action="version", version=f"kadrd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="serve in the foreground, until SIGTERM or Ctrl-C")
    commands.add_parser("verify", help="compare disk, catalogue and index while no daemon runs")
    from kadrd.embed import commands as model_commands

    model_commands.add_arguments(commands.add_parser("model", help="add, list, use and remove models"))
    from kadrd.learn import train

    train.add_arguments(commands.add_parser("train", help="train a small model from pictures and captions"))
    return parser


def run() -> int:
    """The daemon."""
    from kadrd import config, service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    paths = places.current()

    def serve() -> int:
        asyncio.run(service.run(paths, config.read(paths.config), _shelf(paths)))
        return OK

    return _told(serve)


def verify() -> int:
    """Compare disk, catalogue and index while no daemon runs."""
    from kadrd import config, offline

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    paths = places.current()

    def compare() -> int:
        return OK if offline.verify(paths, config.read(paths.config), _shelf(paths), print) else FAILED

    return _told(compare)


def _told(do: Callable[[], int]) -> int:
    """What *do* gives; one sentence for every way in which it can fail."""
    from kadrd import config
    from kadrd.embed.errors import ModelError
    from kadrd.serve.activation import WrongSocket
    from kadrd.serve.listener import AlreadyRunning, LockLost, UnsafeFolder
    from kadrd.store.schema import CatalogueError, Damaged, NotACatalogue, SchemaTooNew

    # What can be wrong: (what happened, what to do next, exit code). The most special one comes first.
    ways = (
        (config.ConfigError, "{}", "", CONFIG),
        (AlreadyRunning, "A daemon runs already for this home.", "Ask it: kadr status", RUNNING),
        (LockLost, "The lock {} is gone: somebody took this home's state away.", "Start it again.", FAILED),
        (ModelError, "{}", "", CONFIG),
        (SchemaTooNew, "The catalogue is from a newer kadr: {}.", "Install that version again.", CONFIG),
        (NotACatalogue, "{}.", "Move it away, then start the daemon again.", CONFIG),
        (Damaged, "{}.", "It was made anew and is damaged again: look after the disk.", FAILED),
        (WrongSocket, "The service manager passed a wrong socket: {}.", "kadr service install", CONFIG),
        (UnsafeFolder, "{}.", "Set KADR_HOME or XDG_RUNTIME_DIR to a folder of your own.", CONFIG),
        (
            (OSError, CatalogueError),
            "The daemon cannot go on: {}.",
            "Mend that, then start it again.",
            FAILED,
        ),
    )
    try:
        return do()
    except Exception as error:
        for kind, sentence, act, code in ways:
            if isinstance(error, kind):
                return _fail(sentence.format(error), act, code)
        raise


def _shelf(paths: places.Paths) -> Shelf:
    from kadrd.embed import models

    return models.Shelf(models.BUILTIN, Path(paths.data, "models"))


def model(args: argparse.Namespace) -> int:
    """kadrd model add | list | use | remove"""
    from kadrd.embed import commands
    from kadrd.serve.listener import holder, tell
    from kadrd.service import lock_path

    paths = places.current()
    code = commands.run(args, _shelf(paths), print)
    running = holder(lock_path(paths))
    if code == OK and running is not None:
        tell(running, signal.SIGHUP)  # the daemon looks again at what is chosen
    return code


def _fail(sentence: str, act: str, code: int) -> int:
    print(f"kadrd: {sentence} {act}".rstrip(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
