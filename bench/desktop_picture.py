"""The picture in docs/desktop.md: Caja finds by a tag what kadr tagged. Made again with one command.

    python bench/desktop_picture.py docs/desktop.png [--tag WORD] [--by-hand]

Sample photographs (those of bench/demo.py, under names that say nothing) are tagged by `kadr tag`, and Caja is asked for one of
the tags in a display of its own. --by-hand writes the tags of TAGS instead. Needs Xvfb, openbox, caja, an icon theme, xdotool
and ImageMagick.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from demo import SAMPLES, photographs
from instance import instance

DISPLAY = ":77"
WIDTH, HEIGHT = 860, 600
# Where Caja's button Edit is, in a window of this size.
EDIT = (820, 152)
TAGS = {
    "astronaut.png": "portrait,space",
    "cat.png": "animal,cat",
    "coffee.png": "coffee,cup",
    "galaxies.jpg": "night,space",
    "moon.png": "moon,night,space",
    "rocket.jpg": "night,rocket,space",
    "flower.jpg": "flower",
    "temple.jpg": "temple",
}
SEARCH = """<?xml version="1.0" encoding="UTF-8"?>
<query version="1.0"><text></text><location>Photos</location><tags><tag>{}</tag></tags></query>
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--tag", help="what to ask for; else the tag that most of them have")
    parser.add_argument("--by-hand", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kadr-picture-") as folder:
        home = Path(folder) / "home"
        photos = home / "Photos"
        names = unnamed(Path(folder) / "samples", photos)
        if args.by_hand:
            for name, tags in TAGS.items():
                os.setxattr(names[name], "user.xdg.tags", tags.encode())
        else:
            with instance() as ours:
                ours.kadr("add", photos)
                print(ours.kadr("tag", "--yes", "--write", "xattr", photos))
        tagged = Counter(tag for file in names.values() for tag in tags_of(file))
        print(", ".join(f"{tag} {number}" for tag, number in tagged.most_common()))
        if not tagged:
            sys.exit("no photograph was tagged")
        tag = args.tag or tagged.most_common(1)[0][0]
        search = home / f"{tag}.savedSearch"
        search.write_text(SEARCH.format(tag), encoding="utf-8")
        shoot(home, search, args.picture.resolve())
        print(
            f"{args.picture}: {args.picture.stat().st_size:,} bytes, {tagged[tag]} pictures with the tag {tag}"
        )


def unnamed(samples: Path, photos: Path) -> dict[str, Path]:
    """The sample photographs under names as a camera gives them, by their own names."""
    photographs(samples)
    photos.mkdir(parents=True)
    names = {}
    for number, name in enumerate(SAMPLES.values()):
        file = photos / f"IMG_{1041 + 7 * number}{Path(name).suffix}"
        shutil.copy(samples / name, file)
        names[Path(name).name] = file
    return names


def tags_of(file: Path) -> list[str]:
    try:
        return os.getxattr(file, "user.xdg.tags").decode().split(",")
    except OSError:
        return []


def shoot(home: Path, search: Path, picture: Path) -> None:
    """Open *search* in Caja, have it show what it searches for, and write the screen to *picture*."""
    own = {f"XDG_{name}": str(home / folder) for name, folder in (
        ("DATA_HOME", ".local/share"), ("CONFIG_HOME", ".config"), ("CACHE_HOME", ".cache"), ("RUNTIME_DIR", ".run"),
    )}  # fmt: skip
    for folder in own.values():
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = home / ".config" / "gtk-3.0" / "settings.ini"
    settings.parent.mkdir()
    settings.write_text("[Settings]\ngtk-icon-theme-name=Adwaita\ngtk-theme-name=Adwaita\n")
    environment = (
        os.environ | own | {"HOME": str(home), "DISPLAY": DISPLAY, "NO_AT_BRIDGE": "1", "LANG": "C.UTF-8"}
    )
    begun = []

    def begin(*command: str) -> None:
        begun.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        time.sleep(1.5)

    def run(*command: str | Path) -> None:
        subprocess.run(list(map(str, command)), env=environment, check=True, stderr=subprocess.DEVNULL)

    try:
        begin("Xvfb", DISPLAY, "-screen", "0", f"{WIDTH}x{HEIGHT}x24")
        begin("openbox")
        zoom = "gsettings set org.mate.caja.icon-view default-zoom-level large"
        size = f"--geometry={WIDTH}x{HEIGHT - 25}+0+0"
        caja = f"exec caja --no-desktop --browser {size} '{search}'"
        begin("dbus-run-session", "--", "sh", "-c", f"{zoom}; {caja}")
        time.sleep(8)
        run("xdotool", "mousemove", *map(str, EDIT), "click", "1")
        time.sleep(4)
        run("xdotool", "mousemove", "400", str(HEIGHT - 2))
        time.sleep(1)
        run("import", "-window", "root", "-strip", picture)
    finally:
        for process in reversed(begun):  # with what each has begun: a bus, and programs on it
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
