"""Tags written on real pictures and taken away again: what it costs, and that nothing else changed. Prints each figure.

    python bench/tags.py FOLDER... [--pictures 1000] [--threshold T]

The pictures are copied to a temporary place first, some with tags and sidecars of their own. For each place: written, read
back by the daemon (0 encodes), every pixel compared, own tags compared, and after `kadr untag --all` every byte.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from instance import Instance, instance
from PIL import Image

CARRIERS = ("xattr", "sidecar", "embedded")
KNOWN = frozenset((".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".heic", ".avif"))
OWN, OWN_ODD = b"my own tag,holiday 2019", b"odd , spaced ,tags"
SIDECAR = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">
  <dc:subject><rdf:Bag><rdf:li>my own tag</rdf:li><rdf:li>моє</rdf:li></rdf:Bag></dc:subject>
 </rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


class State(NamedTuple):
    """A folder, byte for byte."""

    files: dict[str, str]
    """digest of each file, sidecars too"""
    attributes: dict[str, dict[str, bytes]]
    pixels: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--threshold", type=float)
    args = parser.parse_args()
    for carrier in CARRIERS:
        with tempfile.TemporaryDirectory(prefix="kadr-tags-") as name, instance() as ours:
            top = Path(name).resolve() / "library"
            copied(args.folders, top, args.pictures)
            ours.kadr("add", top)
            measured(
                ours, top, carrier, [] if args.threshold is None else ["--threshold", str(args.threshold)]
            )


def copied(folders: list[Path], top: Path, count: int) -> None:
    """A library of *count* pictures; every tenth has tags of its user's, every eleventh a sidecar."""
    top.mkdir()
    sources = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in KNOWN
    ]
    for number, source in enumerate(sources[:: max(1, len(sources) // count)][:count]):
        target = top / f"{number:05}{source.suffix}"
        shutil.copyfile(source, target)
        if number % 10 == 0:
            os.setxattr(target, "user.xdg.tags", OWN if number % 20 else OWN_ODD)
        if number % 11 == 0:
            target.with_name(target.name + ".xmp").write_text(SIDECAR)


def state(top: Path) -> State:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(top.iterdir())}
    attributes = {
        path.name: {key: os.getxattr(path, key) for key in os.listxattr(path)}
        for path in sorted(top.iterdir())
    }
    pixels = {}
    for path in sorted(top.iterdir()):
        with contextlib.suppress(Exception), Image.open(path) as image:
            pixels[path.name] = hashlib.sha256(image.tobytes()).hexdigest()
    return State(files, attributes, pixels)


def measured(ours: Instance, top: Path, carrier: str, more: list[str]) -> None:
    before, counts = state(top), ours.status()
    started = time.perf_counter()
    ours.kadr("tag", "--write", carrier, "--yes", *more, top)
    seconds = time.perf_counter() - started
    during = settled(ours)
    tagged = state(top)
    ours.kadr("tag", "--write", carrier, "--yes", *more, top)
    again = state(top)
    ours.kadr("untag", "--all", "--yes")
    after = settled(ours)
    bare = state(top)
    own = {name: mine.get("user.xdg.tags", b"") for name, mine in before.attributes.items()}
    lost = sum(not kept(own[name], tagged.attributes[name].get("user.xdg.tags", b"")) for name in own)
    print(
        f"{carrier}: {during['tagged']:,} of {len(before.pixels):,} pictures tagged in {seconds:.1f} s; "
        f"encodes {during['encodes'] - counts['encodes']}, then {after['encodes'] - during['encodes']} for untag; "
        f"pixels changed {differing(before.pixels, tagged.pixels)}; own tags lost {lost}; "
        f"written again {differing(tagged.files, again.files)}; files changed {differing(before.files, tagged.files)}"
    )
    print(
        f"   after untag --all: bytes differ in {differing(before.files, bare.files)} files, "
        f"attributes in {differing(before.attributes, bare.attributes)}; pixels {differing(before.pixels, bare.pixels)}; "
        f"verify: {ours.kadr('verify', check=False).strip()}"
    )


def settled(ours: Instance) -> dict[str, Any]:
    """The daemon's figures, once it has looked at everything that changed."""
    ours.kadr("rescan")
    return ours.status()


def kept(own: bytes, now: bytes) -> bool:
    """Whether every tag of the user's is there still."""
    words = {word.strip() for word in own.split(b",")} - {b""}
    return words <= {word.strip() for word in now.split(b",")}


def differing(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())


if __name__ == "__main__":
    main()
