"""What kadr puts where, for each program: the table that install, uninstall, status, docs/desktop.md and the tests follow.

Data, and how a command is spelled in each kind of file. Writes nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import NamedTuple
from xml.sax.saxutils import escape


class Piece(NamedTuple):
    """One file of files/, and where it goes."""

    source: str
    place: str
    """a field of Places"""
    target: str
    quoted: str = "none"
    """how the command of kadr is spelled in it: a key of SPELLINGS"""
    mode: int = 0o644


class Hook(NamedTuple):
    """One program, what it gets, and what it can do then."""

    name: str
    program: str
    commands: tuple[str, ...]
    """any of these on the PATH: the program is here"""
    gives: str
    pieces: tuple[Piece, ...]
    then: str
    """what is left for the user to do"""
    needs: tuple[str, ...] = ()
    """commands without which it does nothing"""


_BUS = Piece("org.kadr.Search.service", "data", "dbus-1/services/org.kadr.Search.service", "shell")
# GNOME Shell reads search providers from the system's folders alone (gnome-shell of August 2026, js/misc/fileUtils.js).
GNOME_FILE = "gnome-shell/search-providers/org.kadr.Search.ini"
GNOME_SYSTEM = f"/usr/local/share/{GNOME_FILE}"
THUNAR = Piece("thunar-action.xml", "config", "Thunar/uca.xml", "xml")

# fmt: off
HOOKS = {hook.name: hook for hook in (
    Hook("gnome", "GNOME Shell", ("gnome-shell",), "pictures among the results of the overview", (
        _BUS,
        Piece("org.kadr.Search.desktop", "data", "applications/org.kadr.Search.desktop", "desktop"),
        Piece("org.kadr.Search.ini", "data", GNOME_FILE),
    ), "GNOME Shell reads search providers only where root may write. Run: "
       f"sudo install -Dm644 {{data}}/{GNOME_FILE} {GNOME_SYSTEM}   Then log out and in"),
    Hook("krunner", "KRunner", ("krunner", "plasmashell"), "`pic red bicycle` in KRunner and the launcher", (
        _BUS,
        Piece("krunner.desktop", "data", "krunner/dbusplugins/kadr.desktop"),
    ), "Restart KRunner: kquitapp6 krunner (Plasma 5: kquitapp5 krunner)"),
    Hook("dolphin", "Dolphin", ("dolphin",), "`Find similar pictures` in the menu of a picture", (
        Piece("dolphin.desktop", "data", "kio/servicemenus/kadr-similar.desktop", "desktop", 0o755),
    ), "Nothing; new windows have it"),
    Hook("nautilus", "GNOME Files", ("nautilus",), "a column `Tags`, and `Find similar pictures` in the menu of a picture", (
        Piece("kadr_nautilus.py.in", "data", "nautilus-python/extensions/kadr_nautilus.py", "python"),
    ), "Install nautilus-python (Debian, Ubuntu: python3-nautilus), then: nautilus -q"),
    Hook("nemo", "Nemo", ("nemo",), "its content search finds tags; `Find similar pictures` in the menu of a picture", (
        Piece("kadr.nemo_search_helper", "data", "nemo/search-helpers/kadr.nemo_search_helper"),
        Piece("kadr-similar.nemo_action", "data", "nemo/actions/kadr-similar.nemo_action", "shell"),
    ), "Restart Nemo: nemo -q", ("getfattr",)),
    Hook("caja", "Caja", ("caja",), "`Find similar pictures` in the menu Scripts (its search finds tags by itself)", (
        Piece("caja-script", "config", "caja/scripts/Find similar pictures", "shell", 0o755),
    ), "Nothing; new windows have it"),
    Hook("thunar", "Thunar", ("thunar",), "`Find similar pictures` in the menu of a picture", (
        THUNAR,
    ), "Restart Thunar: thunar -q"),
)}
# fmt: on


def _desktop(words: list[str]) -> str:
    r"""As the Exec key of a desktop entry wants it (Desktop Entry Specification, 'The Exec key').

    >>> _desktop(["/opt/my apps/kadr", "100%"])
    '"/opt/my apps/kadr" 100%%'
    """
    spelled = []
    for word in words:
        plain = all(char.isalnum() or char in "/._-+:=@," for char in word.replace("%", ""))
        inner = "".join(f"\\\\{char}" if char in '"`$\\' else char for char in word)
        spelled.append(word if plain else f'"{inner}"')
    return " ".join(spelled).replace("%", "%%")


SPELLINGS: dict[str, Callable[[list[str]], str]] = {
    "none": shlex.join,
    "shell": shlex.join,
    "desktop": _desktop,
    "python": repr,
    "xml": lambda words: escape(shlex.join(words).replace("%", "%%")),
}
_MARK = "@KADR@"


def rendered(piece: Piece, kadr: list[str]) -> bytes:
    """The bytes of *piece*, with the command *kadr* in it."""
    with open(os.path.join(os.path.dirname(__file__), "files", piece.source), encoding="utf-8") as file:
        return file.read().replace(_MARK, SPELLINGS[piece.quoted](kadr)).encode()
