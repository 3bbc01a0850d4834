"""How long a whole `kadr` process takes: medians of many runs, beside a Python that does nothing.

    python bench/startup.py [--runs N] [--query TEXT]

A search is measured where KADR_HOME points to a running daemon; nothing is started. One run of each is thrown
away: it lets Python write the bytecode that an installed kadr has, and without which a run takes 10 ms longer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median

NOTHING_FOUND = 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--query", default="red bicycle in snow")
    asked = parser.parse_args()
    kadr = [sys.executable, "-m", "kadr"]
    cases = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import msgpack, socket": [sys.executable, "-c", "import msgpack, socket"],
        "kadr version": [*kadr, "version", "--no-start"],
    }
    if "KADR_HOME" in os.environ:
        cases[f"kadr {asked.query!r}"] = [*kadr, "--no-start", asked.query]
    print(f"median of {asked.runs} runs, Python {sys.version.split()[0]}")
    took = measured(cases, asked.runs)
    base = median(took["python -c pass"])
    for name, seconds in took.items():
        middle = median(seconds)
        spread = f"{min(seconds) * 1000:.1f} to {sorted(seconds)[int(len(seconds) * 0.9)] * 1000:.1f} at p90"
        print(
            f"{name:<28} {middle * 1000:6.1f} ms  {(middle - base) * 1000:+6.1f} over bare Python  ({spread})"
        )
    return 0


def measured(cases: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Seconds of every run. The cases take turns, so that a busy moment of the machine hits all of them."""
    took: dict[str, list[float]] = {name: [] for name in cases}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(runs + 1):
        for name, command in cases.items():
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False, env=environment)
            took[name] += [time.perf_counter() - began] if turn else []
            if done.returncode not in {0, NOTHING_FOUND}:
                sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()}")
    return took


if __name__ == "__main__":
    sys.exit(main())
