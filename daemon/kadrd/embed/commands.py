"""`kadrd model add | list | use | remove`.

Must not print or exit: it says lines through `say` and returns the exit code.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from kadrd.embed.errors import ModelError
from kadrd.embed.known import KNOWN, known
from kadrd.embed.models import Model, Shelf, good_name

OK, USAGE, FAILED = 0, 2, 4

Say = Callable[[str], None]


class _MisuseError(Exception):
    """The options do not go together; the text says what to give."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the four verbs and their options to the parser of `kadrd model`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="the models that are installed, and those that can be added")
    for verb, text in (
        ("use", "search with this model from now on"),
        ("remove", "delete an installed model"),
    ):
        verbs.add_parser(verb, help=text).add_argument("name", metavar="NAME")
    add = verbs.add_parser("add", help="download or convert a model, check it and install it")
    names = ", ".join(one.name for one in KNOWN)
    add.add_argument("model", nargs="?", metavar="MODEL", help=f"{names}, or open_clip:ARCH/PRETRAINED")
    add.add_argument("--name", help="what to call it here")
    add.add_argument("--arch", help="an architecture of open_clip, with --weights")
    add.add_argument("--weights", type=Path, metavar="FILE", help="a .pt, .bin or .safetensors file")
    add.add_argument(
        "--config", type=Path, metavar="FILE", help="open_clip's configuration of the architecture"
    )
    add.add_argument("--tokenizer", type=Path, metavar="FILE", help="a tokenizer.json")
    add.add_argument("--calibrate", type=Path, metavar="DIR", help="check with your own pictures")
    add.add_argument("--int8", action="store_true", help="try an 8-bit picture tower, with --calibrate")
    add.add_argument("--licence", help="what to note as its licence")
    add.add_argument("--languages", help="what to note as its languages: en,ru,uk")
    add.add_argument("--threads", type=int, default=2, help="processor cores to convert with (2)")


def run(args: argparse.Namespace, shelf: Shelf, say: Say) -> int:
    """Does what `args` asks: 0 done, 2 asked wrongly, 4 failed.  Each failure says what to do next."""
    try:
        _VERBS[args.verb](args, shelf, say)
    except _MisuseError as error:
        say(f"kadrd model: {error}")
        return USAGE
    except ModelError as error:
        say(f"kadrd model: {error.sentence}")
        say(error.act)
        return FAILED
    except OSError as error:
        say(
            f"kadrd model: {error.filename or 'a file'} cannot be read or written ({error.strerror or error})."
        )
        say("Look at the free space and at who may write there, then try again.")
        return FAILED
    return OK


def _list(_args: argparse.Namespace, shelf: Shelf, say: Say) -> None:
    chosen = shelf.chosen_name()
    for name in shelf.names():
        say(f"{'*' if name == chosen else ' '} {name:<14} {_described(shelf, name)}")
    for one in KNOWN:
        if one.name not in shelf.names():
            say(
                f"  {one.name:<14} not installed, {one.download_mb} MB to download, {one.licence}: {one.good_for}"
            )


def _described(shelf: Shelf, name: str) -> str:
    try:
        model = shelf.find(name)
    except ModelError as error:
        return f"cannot be used: {error.sentence}"
    return (
        f"{model.size} px, {model.dimension} numbers, {_megabytes(model)} MB, "
        f"{model.precision.get('image', '?')}, {' '.join(model.languages) or 'languages unknown'}, {model.licence}"
    )


def _megabytes(model: Model) -> int:
    return round(sum((model.folder / name).stat().st_size for name in model.checksums) / 1e6)


def _use(args: argparse.Namespace, shelf: Shelf, say: Say) -> None:
    model = shelf.choose(args.name)
    say(f"{model.name} is chosen. A running daemon is told, and goes on answering with the old model")
    say("until every picture has a vector of the new one. `kadr status` shows how far it is.")


def _remove(args: argparse.Namespace, shelf: Shelf, say: Say) -> None:
    shelf.remove(args.name)
    say(f"{args.name} is removed.")


def _add(args: argparse.Namespace, shelf: Shelf, say: Say) -> None:
    name = _name(args)
    if name in shelf.names():
        raise ModelError(
            f"{name} is installed already.",
            "Give another name with `--name`, or remove it first: `kadrd model remove`.",
        )
    if args.int8 and not args.calibrate:
        raise _MisuseError("--int8 needs --calibrate DIR, a folder of your own pictures.")
    _convert(args, shelf.installed / name, say)
    say(f"{name} is installed. Search with it: kadrd model use {name}")


def _convert(args: argparse.Namespace, into: Path, say: Say) -> None:
    arch, pretrained = _wanted(args)
    entry = known(args.model or "")
    if entry and not args.weights:
        say(f"{entry.name}: up to {entry.download_mb} MB to download, kept in the cache of huggingface_hub")
    try:
        from kadrd.embed.convert import About, Source, Trial, convert
    except ImportError as error:
        raise ModelError(
            f"Adding a model needs {error.name or 'torch'}, which is not installed.",
            'Install it with `pip install "kadr[models]"`.',
        ) from error
    convert(
        Source(arch, pretrained, args.weights, args.config, args.tokenizer),
        into,
        About(
            licence=args.licence or (entry.licence if entry else "unknown"),
            languages=_languages(args.languages) if args.languages else entry.languages if entry else (),
        ),
        Trial(args.calibrate, args.int8, args.threads),
        say,
    )


def _name(args: argparse.Namespace) -> str:
    """What the model will be called: as asked, else its short name, else after its architecture."""
    name = args.name or (args.model if known(args.model or "") else _wanted(args)[0].lower())
    try:
        return good_name(name)
    except ModelError as error:
        raise _MisuseError(str(error)) from error


def _wanted(args: argparse.Namespace) -> tuple[str, str]:
    """Architecture and pretrained tag."""
    if args.model and args.arch:
        raise _MisuseError("give either MODEL or --arch, not both.")
    if entry := known(args.model or ""):
        return entry.arch, entry.pretrained
    if match := re.fullmatch(r"open_clip:([^/\s]+)/([^/\s]+)", args.model or ""):
        return match[1], match[2]
    if args.model:
        names = ", ".join(one.name for one in KNOWN)
        raise _MisuseError(f"{args.model!r} is not known: give {names}, or open_clip:ARCH/PRETRAINED.")
    if not (args.arch and args.weights):
        raise _MisuseError("give MODEL, or --arch ARCH with --weights FILE.")
    return args.arch, ""


def _languages(given: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in given.split(",") if part.strip())


_VERBS = {"add": _add, "list": _list, "use": _use, "remove": _remove}
