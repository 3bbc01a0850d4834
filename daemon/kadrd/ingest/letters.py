"""Letters for captions, in any script that a font of this machine has. No font comes with kadr.

Fonts are taken in the order of FONTS, each for what those before it lack. What none has is spelled in Latin letters, so
that a Russian name can be read where there is nothing but Pillow's own font; the rest becomes a question mark.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
Colour = tuple[int, int, int]

ELLIPSIS = "…"
FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts",
    "/run/current-system/sw/share/X11/fonts",  # NixOS
    "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts",  # macOS
)  # fmt: skip
# First those for Latin and Cyrillic, the best to read first; then those of one script or of all.
FONTS = (
    "NotoSans-Regular.ttf", "NotoSans-Regular.otf", "NotoSans[wght].ttf", "NotoSans[wdth,wght].ttf", "NotoSans-VF.ttf",
    "LiberationSans-Regular.ttf", "HelveticaNeue.ttc", "Helvetica.ttc", "Arial.ttf", "OpenSans-Regular.ttf",
    "Roboto-Regular.ttf", "Ubuntu-R.ttf", "DejaVuSans.ttf", "FreeSans.ttf", "FreeSans.otf",
    "Arial Unicode.ttf", "ArialUnicode.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJK-VF.ttc", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",
    "wqy-microhei.ttc", "wqy-zenhei.ttc", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "NotoSansGeorgian-Regular.ttf",
    "NotoSansArmenian-Regular.ttf", "NotoEmoji-Regular.ttf", "NotoSansSymbols-Regular.ttf",
)  # fmt: skip
# No character, so what a font shows for it is what it shows for all that it lacks.
_LACKING = "\U0010ffff"
# To be read, by no standard: those want marks that such a font lacks as well.
_SPELLINGS = (
    "а=a б=b в=v г=g д=d е=e ё=yo ж=zh з=z и=i й=y к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch ш=sh "
    'щ=shch ъ=\' ы=y ь=\' э=e ю=yu я=ya і=i ї=yi є=ye ґ=g ў=u №=No «=" »=" „=" “=" ”=" ’=\' —=- –=- …=...'
)
_LATIN = dict(pair.split("=") for pair in _SPELLINGS.split())


class Letters:
    """Measures and writes single lines, in one size."""

    def __init__(self, fonts: list[Font]) -> None:
        """*fonts* in the order in which they are asked; one at least."""
        self._fonts = fonts

    def width(self, text: str) -> float:
        """How many pixels wide *text* is."""
        return sum(font.getlength(run, direction=_direction(font)) for font, run in self._runs(text))

    def write(self, canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour) -> None:
        """Write *text* from *at* on, its baseline there."""
        x, y = at
        for font, run in self._runs(text):
            canvas.text((x, y), run, colour, font, anchor="ls", direction=_direction(font))
            x += font.getlength(run, direction=_direction(font))

    def shortened(self, text: str, width: float) -> str:
        """*text*, or what of its begin and end fits into *width* with an ellipsis between: both tell files apart."""
        text = shown(text)
        if len(text) <= width and self.width(text) <= width:
            return text
        least, most = 0, min(len(text), int(width))  # no letter is narrower than a pixel
        while most - least > 1:
            keep = (least + most) // 2
            least, most = (keep, most) if self.width(_without_middle(text, keep)) <= width else (least, keep)
        return _without_middle(text, least)

    def wrapped(self, text: str, width: float, lines: int) -> list[str]:
        """*text* in at most so many lines of *width*, broken between words; what is too much ends in an ellipsis."""
        words, out = shown(text).split(), [""]
        for number, word in enumerate(words):
            longer = f"{out[-1]} {word}".strip()
            if self.width(longer) <= width or not out[-1]:
                out[-1] = longer
            elif len(out) < lines:
                out.append(word)
            else:
                out[-1] = " ".join([out[-1], *words[number:]])
                break
        return [self.shortened(line, width) for line in out]

    def _runs(self, text: str) -> Iterator[tuple[Font, str]]:
        """*text* in pieces, each with the font that has it all."""
        waiting, font = "", self._fonts[0]
        for letter in text:
            for piece in letter if self._font(letter) else _spelled(letter, self._fonts[0]):
                other = font if has(font, piece) and unicodedata.combining(piece) else self._font(piece)
                if other is not None and other is not font:
                    if waiting:
                        yield font, waiting
                    waiting, font = "", other
                waiting += piece
        if waiting:
            yield font, waiting

    def _font(self, letter: str) -> Font | None:
        return next((font for font in self._fonts if has(font, letter)), None)


def _direction(font: Font) -> str | None:
    """The score before a name says that a line runs to the right; words in it that run to the left do so by themselves,
    where the font is laid out by a library that knows of such (Pillow's own font is not).
    """
    return "ltr" if font.layout_engine is ImageFont.Layout.RAQM else None


def _without_middle(text: str, keep: int) -> str:
    """*keep* characters of *text*, a little more of its end, where the ending and the number of a file stand."""
    head = keep // 2
    return text[:head].rstrip() + ELLIPSIS + text[len(text) - (keep - head) :].lstrip()


def shown(text: str) -> str:
    r"""*text* on one line, with nothing that would turn, hide or break what stands beside it.

    >>> shown("a\nb\u202egpj.exe")
    'a?bgpj.exe'
    """
    kinds = ((letter, unicodedata.category(letter)) for letter in unicodedata.normalize("NFC", text))
    marks = {"Cc": "?", "Cs": "?", "Cn": "?", "Co": "?", "Zl": "?", "Zp": "?", "Cf": "", "Zs": " "}
    return "".join(marks.get(kind, letter) for letter, kind in kinds)


def _spelled(letter: str, font: Font) -> str:
    """A letter that no font has, in letters that *font* has."""
    small = letter.lower()
    latin = (
        _LATIN.get(small) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"
    )
    latin = latin if small == letter or small not in _LATIN else latin.capitalize()
    return latin if all(has(font, one) for one in latin) else "?"


@lru_cache(maxsize=8192)
def has(font: Font, letter: str) -> bool:
    """Whether *font* has a shape for *letter* of its own."""
    if letter.isspace():
        return True
    shape, lacking = font.getmask(letter, "1"), font.getmask(_LACKING, "1")
    return shape.size != lacking.size or bytes(shape) != bytes(lacking)


@lru_cache(maxsize=8)
def letters(size: int) -> Letters:
    """The letters of this machine, so many pixels high."""
    fonts = []
    for path in found():
        try:
            fonts.append(ImageFont.truetype(path, size))
        except OSError:  # damaged, or of a kind that FreeType cannot scale
            continue
    default = ImageFont.load_default(size)
    return Letters([*fonts, default] if isinstance(default, Font) else fonts)


@lru_cache(maxsize=1)
def found(folders: tuple[str, ...] = FOLDERS) -> list[str]:
    """The files of FONTS on this machine, in that order. Looked for by name: each system has folders of its own."""
    places: dict[str, str] = {}
    for folder in folders:
        for path, _, names in os.walk(os.path.expanduser(folder)):
            for name in set(names) & set(FONTS):
                places.setdefault(name, os.path.join(path, name))
    return [places[name] for name in FONTS if name in places]
