"""Writes a training corpus from public git repositories that hold pictures and captions.

Takes the git directories as arguments and writes ``OUT/{caltech,flickr,tiny}/corpus.tsv`` beside the pictures.
Repositories and commits this was made from:

    caltech       MachineLearning2020/Homework2-Caltech101  836044dd0002   101_ObjectCategories/
    flickr        RlNZLER/Image-Text-Matching               3d5693b5b121   data/images/
    captions      quantumnaan/sic_translator                d27da85cff2d   data/ignore_captions.txt
    translations  visheratin/nllb-clip                      5cad452a374a   data/flickr30k-200/
    tiny          seshuad/IMagenet                          HEAD           tiny-imagenet-200/

It drops nothing: what is reserved for evaluation is left out by ``kadrd train --reserved``.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

HEADER = ("path", "source", "label", "captions_en", "captions_ru", "captions_uk")
Row = tuple[str, str, str, str, str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("caltech", "flickr", "captions", "translations", "tiny"):
        parser.add_argument(f"--{name}", type=Path, metavar="GIT_DIR")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.caltech:
        caltech(args.caltech, args.out / "caltech")
    if args.flickr:
        flickr(args.flickr, args.captions, args.translations, args.out / "flickr")
    if args.tiny:
        tiny(args.tiny, args.out / "tiny")
    return 0


def caltech(git: Path, out: Path) -> None:
    export(git, "HEAD", "101_ObjectCategories", out)
    pictures = sorted(out.glob("101_ObjectCategories/*/*.jpg"))
    write(
        out,
        ((str(p.relative_to(out)), "caltech", caltech_label(p.parent.name), "", "", "") for p in pictures),
    )


def caltech_label(folder: str) -> str:
    return "" if folder == "BACKGROUND_Google" else f"caltech:{folder}"


def flickr(git: Path, captions: Path, translations: Path | None, out: Path) -> None:
    export(git, "3d5693b5b121", "data/images", out)
    said: dict[str, list[str]] = defaultdict(list)
    for line in show(captions, "data/ignore_captions.txt").splitlines()[1:]:
        name, _, caption = line.partition(",")
        said[name].append(tidy(caption))
    other = translated(translations) if translations else {}
    rows = []
    for picture in sorted(out.glob("data/images/*.jpg")):
        texts = said.get(picture.name, [])
        found = [other[key(t)] for t in texts if key(t) in other]
        cells = ("|".join(texts), "|".join(f[0] for f in found), "|".join(f[1] for f in found))
        rows.append((str(picture.relative_to(out)), "flickr", "", *cells))
    write(out, rows)


def translated(git: Path) -> dict[str, tuple[str, str]]:
    """English caption (letters only) -> its Russian and Ukrainian machine translation; the files go line by line."""
    en, ru, uk = (
        show(git, f"data/flickr30k-200/{one}.txt").splitlines()
        for one in ("eng_Latn", "rus_Cyrl", "ukr_Cyrl")
    )
    return {key(e): (tidy(r), tidy(u)) for e, r, u in zip(en, ru, uk, strict=True)}


def tiny(git: Path, out: Path) -> None:
    export(git, "HEAD", "tiny-imagenet-200", out)
    base = out / "tiny-imagenet-200"
    lines = (base / "val" / "val_annotations.txt").read_text().splitlines()
    of = {name: wnid for name, wnid, *_ in (line.split("\t") for line in lines)}
    rows = []
    for picture in sorted(base.rglob("*.JPEG")):
        part = picture.relative_to(base).parts
        wnid = part[1] if part[0] == "train" else of.get(picture.name, "") if part[0] == "val" else ""
        rows.append((str(picture.relative_to(out)), "tiny", f"wordnet:{wnid}" if wnid else "", "", "", ""))
    write(out, rows)


def export(git: Path, commit: str, folder: str, out: Path) -> None:
    """Unpacks one folder of one commit, unless it is there already."""
    if (out / folder).exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    with (
        subprocess.Popen(
            ["git", "-C", str(git), "archive", commit, folder], stdout=subprocess.PIPE
        ) as archive,
        tarfile.open(fileobj=archive.stdout, mode="r|") as tar,
    ):
        tar.extractall(out, filter="data")


def show(git: Path, path: str) -> str:
    return subprocess.run(
        ["git", "-C", str(git), "show", f"HEAD:{path}"], capture_output=True, check=True
    ).stdout.decode()


def write(out: Path, rows: Iterable[Row | tuple[str, ...]]) -> None:
    with (out / "corpus.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\", lineterminator="\n")
        table.writerow(HEADER)
        table.writerows(rows)


def tidy(text: str) -> str:
    return re.sub(r'[\t|"\\]+', " ", text).strip()


def key(text: str) -> str:
    return re.sub(r"[^a-z]+", "", text.lower())


if __name__ == "__main__":
    raise SystemExit(main())
