"""How long a shell waits for kadr: 20 keystrokes a second over a real bus, for KRunner and for GNOME Shell.

    python bench/desktop.py FOLDER [--seconds N] [--rate N]

Needs dbus-daemon and the extra `desktop`. Prints for every keystroke when it was answered (older ones are answered as soon
as a newer one comes), for the last text of each typing when its hits were there, and the memory of the process between.
Then the same with a daemon that hangs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from instance import Instance, instance

NAME, PATH = "org.kadr.Search", "/org/kadr/Search"
TEXTS = (
    "a red bicycle leaning on a wall",
    "кот спит на старом диване",
    "two children playing in the snow",
    "човен на озері вранці",
    "airplane above the clouds",
)
MUST_MS = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="pictures to search")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=20.0, help="keystrokes a second")
    args = parser.parse_args()
    with instance() as ours, tempfile.TemporaryDirectory(prefix="kadr-bus-") as folder:
        ours.kadr("add", args.folder)
        print(f"{ours.status()['pictures']:,} pictures")
        ours.kadr(TEXTS[0])  # the text tower is loaded
        bus, environment = start_bus(ours, folder)
        served = subprocess.Popen([ours.client, "desktop", "serve"], env=environment)
        try:
            asyncio.run(measure(environment["DBUS_SESSION_BUS_ADDRESS"], args, ours.pid(), served.pid))
        finally:
            os.kill(ours.pid(), signal.SIGCONT)
            for process in (served, bus):
                process.terminate()
                process.wait()


def start_bus(ours: Instance, folder: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:dir={folder}"]
    bus = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert bus.stdout is not None
    return bus, ours.environment | {"DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}


async def measure(address: str, args: argparse.Namespace, kadrd: int, served: int) -> None:
    shell = await MessageBus(address).connect()
    while await ask(shell, "org.kde.krunner1", "Config", "") is None:  # noqa: ASYNC110 - its answers say that it is there
        await asyncio.sleep(0.05)
    for name, asks in (("KRunner", krunner), ("GNOME Shell", gnome)):
        before = memory(served)
        every, last = await typing(shell, asks, args)
        report(f"{name}: every keystroke", every)
        report(f"{name}: the whole text, its hits", last)
        print(f"{name}: memory {before} -> {memory(served)} MiB")
    os.kill(kadrd, signal.SIGSTOP)
    every, _ = await typing(shell, gnome, args)
    report("the daemon hangs: every keystroke", every)
    shell.disconnect()


async def typing(shell: MessageBus, asks, args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Milliseconds until each keystroke is answered, and until each whole text is."""
    every: list[float] = []
    last: list[float] = []
    until = time.monotonic() + args.seconds
    number = 0
    while time.monotonic() < until:
        text = f"{TEXTS[number % len(TEXTS)]} {number}"  # other words each time, so that nothing is known already
        number += 1
        begun = [None] * len(text)
        for end in range(1, len(text) + 1):
            begun[end - 1] = asyncio.create_task(timed(asks(shell, text[:end])))
            await asyncio.sleep(1 / args.rate)
        times = await asyncio.gather(*begun)
        every += times
        last.append(times[-1])
    return every, last


async def timed(call) -> float:
    started = time.perf_counter()
    await call
    return (time.perf_counter() - started) * 1000


async def krunner(shell: MessageBus, text: str) -> object:
    return await ask(shell, "org.kde.krunner1", "Match", "s", f"pic {text}")


async def gnome(shell: MessageBus, text: str) -> object:
    hits = await ask(shell, "org.gnome.Shell.SearchProvider2", "GetInitialResultSet", "as", text.split())
    return await ask(shell, "org.gnome.Shell.SearchProvider2", "GetResultMetas", "as", hits)


async def ask(shell: MessageBus, interface: str, member: str, signature: str, *body):
    message = Message(
        destination=NAME, path=PATH, interface=interface, member=member, signature=signature, body=list(body)
    )
    reply = await shell.call(message)
    return reply.body[0] if reply.message_type is MessageType.METHOD_RETURN else None


def memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def report(what: str, times: list[float]) -> None:
    p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    late = sum(one > MUST_MS for one in times)
    print(
        f"{what}: median {statistics.median(times):.1f} ms, p99 {p99:.1f}, most {max(times):.1f}; "
        f"{late} of {len(times)} over {MUST_MS:.0f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
