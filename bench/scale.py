"""A very large tree: how long a first look and a start with nothing new take, the memory, and the processor while idle.

    python bench/scale.py FOLDER [--files 1000000] [--a-folder 200] [--idle 300]

The files are hard links to the pictures in FOLDER (copied to a temporary place first, as often as links are limited).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from instance import Instance, instance

LINKS = 60_000  # ext4 allows 65,000 to one file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--a-folder", type=int, default=200, help="files in one folder")
    parser.add_argument("--idle", type=float, default=300.0, help="seconds to watch it do nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kadr-scale-") as name:
        top = Path(name).resolve()
        make(args.folder, top, args.files, args.a_folder)
        with instance() as ours:
            measure(ours, top / "tree", args.idle)


def make(folder: Path, top: Path, files: int, a_folder: int) -> None:
    """A tree of hard links, the folders two levels deep."""
    started = time.perf_counter()
    sources = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".png") and p.is_file())
    sources = sources[: max(100, files // LINKS + 1)]
    (top / "sources").mkdir()
    ours = [Path(shutil.copy(p, top / "sources" / f"{n}{p.suffix}")) for n, p in enumerate(sources)]
    for number in range(files):
        if number % a_folder == 0:
            place = top / "tree" / str(number // a_folder // 100) / str(number // a_folder)
            place.mkdir(parents=True)
        source = ours[number % len(ours)]
        os.link(source, place / f"{number}{source.suffix}")
    folders = -(-files // a_folder)
    print(
        f"{files:,} files in {folders:,} folders, {len(ours)} contents: made in {time.perf_counter() - started:.0f} s"
    )


def measure(ours: Instance, tree: Path, idle: float) -> None:
    started = time.perf_counter()
    ours.kadr("add", tree)
    report(ours, "first look", time.perf_counter() - started)
    ours.kadr("stop")
    started = time.perf_counter()
    ours.kadr("start")
    print(f"start: answers after {time.perf_counter() - started:.1f} s")
    ours.kadr("x", "--sync", "-n", "1")
    report(
        ours, "start with nothing new, up to the end of its look at everything", time.perf_counter() - started
    )
    before = processor(ours.pid())
    time.sleep(idle)
    spent = processor(ours.pid()) - before
    report(ours, f"idle: {100 * spent / idle:.3f} % of one core", idle)


def report(ours: Instance, what: str, seconds: float) -> None:
    status = ours.status()
    print(
        f"{what}: {seconds:.1f} s, {status['files']:,} files, {status['encodes']} encodes, {status['decodes']} decodes, "
        f"{status['rss_bytes'] >> 20} MB (peak {peak(ours.pid())} MB), {status['warnings'] or 'no warnings'}"
    )


def peak(pid: int) -> int:
    """The most resident memory so far, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    return 0


def processor(pid: int) -> float:
    """Seconds of processor time so far, of the daemon and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
