"""What happens to an index in daily life: renames, copies, a new file, a kill in the middle. Prints each figure.

    python bench/life.py FOLDER [--kills N]

FOLDER is copied to a temporary place first; nothing in it is touched.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

from instance import Instance, instance

from kadr.connection import NotRunning
from kadr.protocol.errors import KadrError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kadr-life-") as name:
        top = Path(name).resolve() / "library"
        shutil.copytree(args.folder, top / "pictures")
        with instance() as ours:
            everyday(ours, top)
        with instance() as ours:
            killed(ours, top, args.kills)


def everyday(ours: Instance, top: Path) -> None:
    started = time.perf_counter()
    ours.kadr("add", top)
    seconds = time.perf_counter() - started
    status = ours.status()
    print(
        f"indexed {status['pictures']:,} pictures of {status['files']:,} files in {seconds:.1f} s, {status['failures_total']} failures"
    )
    print("verify:", ours.kadr("verify").strip())

    before = ours.status()
    (top / "pictures").rename(top / "renamed")
    ours.kadr("x", "--sync", "-n", "1")
    report(ours, before, "top folder renamed")
    shutil.copytree(top / "renamed", top / "copy")
    ours.kadr("x", "--sync", "-n", "1")
    report(ours, before, "and copied")
    found = {line for line in ours.kadr("x", "-n", "10000").splitlines() if line}
    print(
        f"  a search for everything finds {len(found):,} paths, {sum(os.path.exists(p) for p in found):,} of them there"
    )
    print("verify:", ours.kadr("verify").strip())

    source = next(p for p in sorted((top / "copy").rglob("*")) if p.is_file())
    for how in ("as it comes", "--sync"):
        new = top / f"new {how}.jpg"
        new.write_bytes(source.read_bytes() + how.encode())
        print(f"new file, {how}: found after {waited(ours, new, how):.2f} s")


def report(ours: Instance, before: dict[str, int], what: str) -> None:
    after = ours.status()
    print(
        f"{what}: {after['files']:,} files, {after['encodes'] - before['encodes']} encodes, {after['decodes'] - before['decodes']} decodes"
    )


def waited(ours: Instance, new: Path, how: str) -> float:
    """Seconds until a search gives the file *new*."""
    words = ["x", "-n", "10000"] + (["--sync"] if how == "--sync" else [])
    started = time.perf_counter()
    while str(new) not in ours.kadr(*words).splitlines():
        pass
    return time.perf_counter() - started


def killed(ours: Instance, top: Path, kills: int) -> None:
    """SIGKILL the daemon at random moments of indexing; at the end verify, and count the encodes of all lives."""
    encodes = 0
    ours.kadr("add", "--detach", top)
    chance = random.Random(7)
    for _ in range(kills):
        target = chance.randrange(50, 500)
        while (status := ours.status())["encodes"] < target and status["pending"] + status["scanning"]:
            pass
        pid, encodes = ours.pid(), encodes + status["encodes"]
        os.kill(pid, signal.SIGKILL)
        while answers(ours):
            pass
        ours.kadr("start")
    ours.kadr("rescan")
    status = ours.status()
    print(
        f"killed {kills} times while indexing: {status['pictures']:,} pictures; encodes seen before the kills and "
        f"after the last: {encodes + status['encodes']:,} (a batch in flight at a kill is not counted before it)"
    )
    print("verify:", ours.kadr("verify").strip())


def answers(ours: Instance) -> bool:
    try:
        ours.connection().close()
    except (NotRunning, KadrError):
        return False
    return True


if __name__ == "__main__":
    main()
