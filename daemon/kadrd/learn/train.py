"""``kadrd train``: makes the built-in model from a corpus, in two stages that can be run and resumed one by one.

    kadrd train --corpus DIR ... --work DIR --out DIR --teacher FILE --reserved LIST --reserved-pictures DIR

Everything between is kept under ``--work``; ``--out`` gets open_clip's weights, configuration and tokenizer. This is a
developer's command: the daemon never runs it, and torch is imported only once it does.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kadrd.learn.corpus import Example
    from kadrd.learn.shelf import Shelf
    from kadrd.learn.texts import Words

VIEWS = {"tiny": (1, 64)}  # views of a picture and their size in pixels, for sources of small pictures
OTHER_VIEWS = (6, 128)
TEXT_SHARES = {"flickr": 0.42, "caltech": 0.22, "tiny": 0.18, "guessed": 0.18}
PICTURE_SHARES = {"flickr": 0.27, "caltech": 0.33, "tiny": 0.40}
OTHER_SHARE = 0.3
SEED = 20261121


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", type=Path, nargs="+", required=True, metavar="DIR_OR_TSV")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="caches and checkpoints")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the trained model, for conversion"
    )
    parser.add_argument("--stage", choices=("texts", "pictures", "all"), default="all")
    parser.add_argument("--teacher", type=Path, required=True, metavar="TFLITE")
    parser.add_argument("--reserved", type=Path, nargs="*", default=[], metavar="LIST")
    parser.add_argument("--reserved-pictures", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--check-labelled", type=Path, metavar="DIR")
    parser.add_argument("--check-captioned", type=Path, metavar="DIR")
    parser.add_argument("--words", type=Path, metavar="DIR", help="names and translations instead of our own")
    parser.add_argument("--text-steps", type=int, default=2000)
    parser.add_argument("--text-batch", type=int, default=512)
    parser.add_argument("--text-layers", type=int, default=3)
    parser.add_argument("--namer", type=Path, metavar="TFLITE", help="an ImageNet classifier, for more words")
    parser.add_argument(
        "--further", action="store_true", help="go on teaching texts in the space already learned"
    )
    parser.add_argument("--minutes", type=float, default=90, help="for the picture stage")
    parser.add_argument("--processes", type=int, default=1, help="for the picture stage, a thread each")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument(
        "--sizes", default="72:0.3,96:1", help="picture sizes, each with the share of time it ends at"
    )
    parser.add_argument("--no-compile", action="store_true")


def run(args: argparse.Namespace) -> int:
    if args.stage in ("texts", "all"):
        learn_texts(args, *prepare(args))
    if args.stage in ("pictures", "all"):
        learn_pictures(args)
    return 0


def prepare(args: argparse.Namespace) -> tuple[Words, Shelf]:
    """The corpus without what is reserved, and the teacher's word on every view of it."""
    from kadrd.learn.corpus import read_corpus, read_reserved
    from kadrd.learn.shelf import Shelf, Source, concept_of
    from kadrd.learn.teacher import Kind, fill
    from kadrd.learn.texts import WORDS, read_words

    words = read_words(args.words or WORDS)
    by_source: dict[str, list[Example]] = {}
    for example in read_corpus(args.corpus, read_reserved(args.reserved, args.reserved_pictures)):
        by_source.setdefault(example.source, []).append(example)
    sources = []
    for name, examples in by_source.items():
        cache = fill(args.work / "views" / name, examples, args.teacher, Kind(*VIEWS.get(name, OTHER_VIEWS)))
        sources.append(Source(name, examples, [concept_of(one, words) for one in examples], cache))
        print(f"corpus {name}: {len(examples)} pictures, {len(cache.pixels)} views", flush=True)
    return words, Shelf(sources, shares(TEXT_SHARES, by_source), SEED)


def shares(table: dict[str, float], names: Any) -> dict[str, float]:
    return {name: table.get(name, OTHER_SHARE) for name in names}


def learn_texts(args: argparse.Namespace, words: Words, shelf: Shelf) -> None:
    """Both towers' common space; ``--further`` keeps the projection, which a picture tower may have learned."""
    import torch

    from kadrd.learn import pupil, tokens
    from kadrd.learn.guesses import guessed
    from kadrd.learn.shelf import Shelf
    from kadrd.learn.stage_texts import Space, TextPlan, teach_texts

    torch.manual_seed(SEED)
    if args.namer:
        sources = [*shelf.sources, guessed(args.work / "views", shelf.sources, args.namer)]
        shelf = Shelf(sources, shares(TEXT_SHARES, [one.name for one in sources]), SEED)
    kept = torch.load(args.work / "texts.pt", weights_only=True) if args.further else None
    tokenizer = tokens.load(args.work / "tokenizer.json") if kept else tokens.learn(texts_of(shelf, words))
    px, _ = sizes_of(args)[-1]
    config = kept["config"] if kept else pupil.architecture(tokenizer.get_vocab_size(), px, args.text_layers)
    taught = pupil.Pupil(pupil.build(config), tokenizer)
    if kept:
        taught.clip.load_state_dict(kept["text"], strict=False)
    space = Space(**kept["space"]) if kept else None
    space = teach_texts(taught, shelf, words, TextPlan(args.text_steps, args.text_batch, SEED, space))
    state = pupil.text_state(taught.clip)
    if kept:  # the mean of before and after forgets less than either
        state = {name: torch.lerp(kept["text"][name], value, 0.5) for name, value in state.items()}
    tokenizer.save(str(args.work / "tokenizer.json"))
    torch.save({"config": config, "text": state, "space": vars(space)}, args.work / "texts.pt")


def texts_of(shelf: Shelf, words: Words) -> Iterator[str]:
    """What the tokenizer learns from: every caption, its pseudo captions, and every name several times."""
    from kadrd.learn.corpus import LANGUAGES
    from kadrd.learn.texts import pseudo

    chance = random.Random(SEED)
    for table in (words.names, words.lexicon):
        for names in table.values():
            for lang in LANGUAGES:
                yield from (form for form in names[lang] for _ in range(3))
    for source in shelf.sources:
        for example in source.examples:
            for captions in example.captions.values():
                yield from captions
            for caption in example.captions.get("en", ()):
                yield from (pseudo(caption, words.lexicon, lang, chance) for lang in ("ru", "uk"))


def sizes_of(args: argparse.Namespace) -> list[tuple[int, float]]:
    """``"64:0.3,96:1"`` means 64 px for the first 30 % of the time, then 96."""
    return [(int(px), float(until)) for px, until in (part.split(":") for part in args.sizes.split(","))]


def learn_pictures(args: argparse.Namespace) -> None:
    from torch.multiprocessing.spawn import spawn

    (args.work / "meet").unlink(missing_ok=True)
    if args.processes > 1:
        spawn(learn_pictures_as, (args,), args.processes)  # type: ignore[no-untyped-call]
    else:
        learn_pictures_as(0, args)


def learn_pictures_as(rank: int, args: argparse.Namespace) -> None:
    """One member of the team; the first one checks, prints and exports."""
    import torch

    from kadrd.learn import pupil, tokens
    from kadrd.learn.check import Check
    from kadrd.learn.stage_pictures import Bank, Plan, teach_pictures
    from kadrd.learn.stage_texts import Space
    from kadrd.learn.team import joined

    torch.manual_seed(SEED)
    words, shelf = prepare(args)
    shelf.shares = shares(PICTURE_SHARES, shelf.shares)
    kept = torch.load(args.work / "texts.pt", weights_only=True)
    taught = pupil.Pupil(pupil.build(kept["config"]), tokens.load(args.work / "tokenizer.json"))
    taught.clip.load_state_dict(kept["text"], strict=False)
    sizes = sizes_of(args)
    kept["config"]["model_cfg"]["vision_cfg"]["image_size"] = sizes[-1][0]
    check = Check(args.check_labelled, args.check_captioned, sizes[-1][0]) if rank == 0 else None

    def report(visual: Any, share: float) -> None:
        if check:
            print(f"check at {100 * share:.0f} %: {check.figures(taught, visual)}", flush=True)

    bank = Bank(taught, shelf, words, Space(**kept["space"]))
    with joined(rank, args.processes, args.work / "meet") as team:
        plan = Plan(args.minutes, args.batch, sizes, args.work / "pictures.pt", not args.no_compile, team)
        average = teach_pictures(taught.clip.visual, bank, shelf, plan, report)
    if rank == 0:
        report(average.module, 1.0)
        taught.clip.visual.load_state_dict(average.module.state_dict())
        pupil.export(args.out, taught, kept["config"])
