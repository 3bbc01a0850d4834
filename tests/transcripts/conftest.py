"""A small album with everything that a camera and a person can say of a picture, and the real client and daemon over it."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATIENCE = 60
AUGUST = 8
CAPTURE, GPS = 0x8769, 0x8825


class Shot(NamedTuple):
    """One picture: its name under ~/Pictures, its colour, when (the year may be so many before this one), and what is said of it."""

    name: str
    colour: tuple[int, int, int]
    taken: str = ""
    camera: str = ""
    lens: str = ""
    iso: int = 0
    at: tuple[float, float] | None = None
    rating: int = 0
    title: str = ""
    tags: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


LVIV, KYIV, ODESA = (49.8397, 24.0297), (50.4501, 30.5234), (46.4825, 30.7233)
# {last} and {before} are the years of last summer and of the year before last: what is told by today holds on any day.
ALBUM = (
    Shot("Lviv/opera.jpg", (120, 60, 40), "2019-07-14 21:20", "Canon EOS 5D", "EF 50mm f/1.8", 1600, LVIV, 4, "The opera house", ("city", "evening"), ("Olena Kovalenko",)),
    Shot("Lviv/market.jpg", (150, 150, 90), "2019-07-15 10:05", "Canon EOS 5D", "EF 24-70mm f/2.8", 200, LVIV, 0, "Ринок", ("city",)),
    Shot("Kyiv/bridge.jpg", (70, 110, 160), "2021-05-02 18:45", "NIKON D70", "", 400, KYIV, 5, "Мост через Днепр", ("river", "вечер")),
    Shot("Kyiv/cat.png", (90, 90, 90), "2022-01-20 12:00", "Google Pixel 6", "", 0, None, 3, "Our cat on the windowsill", ("кіт", "home"), ("Petro",)),
    Shot("Odesa/beach.jpg", (80, 160, 220), "{summer}-07-20 13:30", "Apple iPhone 7", "", 50, ODESA, 5, "Пляж", ("sea", "holiday"), ("Olena Kovalenko", "Petro")),
    Shot("Odesa/harbour.jpg", (60, 90, 130), "{summer}-08-02 19:10", "Apple iPhone 7", "", 64, ODESA, 2, "", ("sea", "city")),
    Shot("winter/snow.jpg", (240, 245, 250), "{before}-01-06 15:20", "Canon EOS 5D", "EF 50mm f/1.8", 100, None, 0, "Snow in the garden", ("winter",)),
)  # fmt: skip


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory, make_tiny_model: Callable[..., Any]) -> Iterator[Any]:
    """The command as people type it, in ~/Pictures with the album there: command("kadr 'tag:sea'") is what they see."""
    helper = _beside("daemon_fixture")
    home = helper.Home(tmp_path_factory.mktemp("t"), make_tiny_model, {})
    people = home.top / "home"
    _album(people / "Pictures")
    daemon = helper.Daemon(home)
    daemon.start({"HOME": str(people)})
    daemon.add(people / "Pictures")
    daemon.sync()
    yield Command(people, home.environment({"HOME": str(people), "COLUMNS": "120"}))
    daemon.stop()


def _beside(name: str) -> Any:
    # Tests are no package, so a helper of all of them is loaded by its place.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Command:
    """Runs what a transcript shows."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self._home, self._environment = home, environment

    def __call__(self, line: str) -> str:
        """Everything that *line* prints, and its exit code in brackets where that is not 0."""
        program, *words = shlex.split(line)
        assert program == "kadr", line
        ran = subprocess.run(
            [sys.executable, "-m", "kadr", *words], cwd=self._home / "Pictures", env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return self._as_shown(ran.stdout.decode()) + (f"[{ran.returncode}]\n" if ran.returncode else "")

    def _as_shown(self, text: str) -> str:
        """*text* without what differs from machine to machine and from day to day."""
        text = text.replace(str(self._home.resolve()), "~").replace(str(self._home), "~")
        text = re.sub(r"\b[0-9a-f]{66}\b", "...", text)  # JPEG's encoder is another one elsewhere
        text = re.sub(r'("size": |,)\d+(?=(, "format": "|,)(jpeg|png))', r"\1...", text)
        return re.sub(r"^.*\(ms\): .*$", _without_numbers, text, flags=re.MULTILINE)


def _without_numbers(line: re.Match[str]) -> str:
    return re.sub(r" [\d.e-]+(?=,|$)", " ...", line[0])


def _album(folder: Path) -> None:
    # The daemon reads the clock itself. Only around midnight before the first of September or January could it read another day.
    now = datetime.now()  # noqa: DTZ005 - clocks on walls have no zone
    years = {"summer": now.year - (now.month <= AUGUST), "before": now.year - 2}
    for shot in ALBUM:
        file = folder / shot.name
        file.parent.mkdir(parents=True, exist_ok=True)
        _take(file, shot._replace(taken=shot.taken.format(**years)))
    shutil.copy(folder / "Lviv" / "opera.jpg", folder / "Lviv" / "opera copy.jpg")
    for file in folder.rglob("*.*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))


def _take(file: Path, shot: Shot) -> None:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (96, 64), shot.colour)
    ImageDraw.Draw(image).ellipse((8, 8, 40, 40), fill=shot.colour[::-1])
    exif = Image.Exif()
    if shot.camera:
        exif[0x010F], exif[0x0110] = shot.camera.split()[0], shot.camera
    capture = exif.get_ifd(CAPTURE)
    if shot.taken:
        capture[0x9003] = shot.taken.replace("-", ":") + ":00"
    if shot.lens:
        capture[0xA434] = shot.lens
    if shot.iso:
        capture[0x8827] = shot.iso
    if shot.at:
        exif.get_ifd(GPS).update({1: "N", 2: _degrees(shot.at[0]), 3: "E", 4: _degrees(shot.at[1])})
    image.save(file, exif=exif)
    if shot.title or shot.tags or shot.people or shot.rating:
        Path(f"{file}.xmp").write_text(_xmp(shot), encoding="utf-8")


def _degrees(value: float) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(int(value)), Fraction(0), Fraction(round((value - int(value)) * 3600 * 100), 100)


def _xmp(shot: Shot) -> str:
    tags = "".join(f"<rdf:li>{tag}</rdf:li>" for tag in shot.tags)
    people = "".join(
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>'
        for name in shot.people
    )
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" {f'xmp:Rating="{shot.rating}"' if shot.rating else ""}>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{shot.title}</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag>{tags}</rdf:Bag></dc:subject>
<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>{people}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
</rdf:Description></rdf:RDF></x:xmpmeta>
"""
