"""kadrd: argv, logging, one sentence for every way it can fail. `kadrd run` is the daemon, the rest are commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kadr.protocol import paths as places
from kadrd import __version__

# sysexits.h, so that a service manager can tell what a restart cannot mend.
OK, FAILED, CONFIG, RUNNING, INTERRUPTED = 0, 4, 78, 75, 130


def main(argv: Sequence[str] | None = None) -> int:
    try:
        return _main(argv)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("kadr", "kadrd", ""):
            raise
        return _fail(f"{package} is not installed.", 'Install it with: pip install "kadr[daemon]"', CONFIG)
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
    if args.command == "model":
        return model(args)
    from kadrd.learn import train  # torch, which nothing else loads

    return train.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kadrd", description="The daemon behind kadr, and its models.")
    parser.add_argument("--version", action="version", version=f"kadrd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="serve in the foreground, until SIGTERM or Ctrl-C")
    from kadrd.embed import commands as model_commands

    model_commands.add_arguments(commands.add_parser("model", help="add, list, use and remove models"))
    if "train" in sys.argv[1:2]:
        from kadrd.learn import train

        train.add_arguments(commands.add_parser("train", help="train a small model from pictures and captions"))
    else:
        commands.add_parser("train", help="train a small model from pictures and captions")
    return parser


def run() -> int:
    """The daemon."""
    from kadrd import config, service
    from kadrd.embed.errors import ModelError
    from kadrd.serve.listener import AlreadyRunning, UnsafeFolder
    from kadrd.store.schema import CatalogueError, NotACatalogue, SchemaTooNew

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    paths = places.current()
    try:
        asyncio.run(_serve(service, paths, config.read(paths.config)))
    except config.ConfigError as error:
        return _fail(str(error), "", CONFIG)
    except AlreadyRunning:
        return _fail("A daemon runs already for this home.", "Ask it: kadr status", RUNNING)
    except ModelError as error:
        return _fail(error.sentence, error.act, CONFIG)
    except SchemaTooNew as error:
        return _fail(f"The catalogue is from a newer kadr: {error}.", "Install that version again.", CONFIG)
    except NotACatalogue as error:
        return _fail(f"{error}.", "Move it away; kadr makes a new one and reads the pictures again.", CONFIG)
    except UnsafeFolder as error:
        return _fail(f"{error}.", "Set KADR_HOME or XDG_RUNTIME_DIR to a folder of your own.", CONFIG)
    except (OSError, CatalogueError) as error:
        return _fail(f"The daemon cannot go on: {error}.", "Mend that, then start it again.", FAILED)
    return OK


async def _serve(service: object, paths: places.Paths, settings: object) -> None:
    await service.Service(paths, settings, _shelf(paths)).run()  # type: ignore[attr-defined]


def _shelf(paths: places.Paths):  # type: ignore[no-untyped-def]  # noqa: ANN202 - imported late
    from kadrd.embed import models

    return models.Shelf(models.BUILTIN, Path(paths.data, "models"))


def model(args: argparse.Namespace) -> int:
    """kadrd model add | list | use | remove"""
    from kadrd.embed import commands
    from kadrd.serve.listener import holder
    from kadrd.service import lock_path

    paths = places.current()
    code = commands.run(args, _shelf(paths), print)
    running = holder(lock_path(paths))
    if code == OK and running is not None:
        os.kill(running, signal.SIGHUP)  # the daemon looks again at what is chosen
    return code


def _fail(sentence: str, act: str, code: int) -> int:
    print(f"kadrd: {sentence} {act}".rstrip(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
