"""Pictures as bytes that a terminal shows, and which terminal shows which. Pure: bytes in, bytes out.

A terminal is known by the variables that it sets. Asking it by escape sequences would be surer, and hangs or leaves
litter on the prompt where nobody answers.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

# The kitty protocol takes at most this much at once.
KITTY_CHUNK = 4096

# How a terminal gives itself away: a variable, what its value begins with, the protocol that it speaks. The first row wins.
# Where one speaks several, kitty's shows more colours than sixel and is spoken by more than iTerm2's.
TERMINALS = (
    ("KITTY_WINDOW_ID", "", "kitty"),
    ("TERM", "xterm-kitty", "kitty"),
    ("TERM", "xterm-ghostty", "kitty"),
    ("GHOSTTY_RESOURCES_DIR", "", "kitty"),
    ("WEZTERM_EXECUTABLE", "", "iterm"),
    ("TERM_PROGRAM", "WezTerm", "iterm"),
    ("TERM_PROGRAM", "iTerm.app", "iterm"),
    ("LC_TERMINAL", "iTerm2", "iterm"),
    ("TERM_PROGRAM", "mintty", "iterm"),
    ("TERM_PROGRAM", "vscode", "iterm"),
    ("TERM_PROGRAM", "WarpTerminal", "iterm"),
    ("KONSOLE_VERSION", "2", "kitty"),
    ("TERM", "foot", "sixel"),
    ("TERM", "mlterm", "sixel"),
    ("TERM", "contour", "sixel"),
    ("TERM", "yaft", "sixel"),
    ("WT_SESSION", "", "sixel"),
)
# They hand on no pictures, and their variables are those of the terminal around them. VTE (GNOME) has sixel switched off.
_MULTIPLEXERS = (("TMUX", ""), ("STY", ""), ("ZELLIJ", ""), ("TERM", "screen"), ("TERM", "tmux"))
# The form in which the daemon draws for a protocol.
FORMS = {"kitty": "png", "iterm": "jpeg", "sixel": "sixel", "chafa": "png"}


def protocol(environ: Mapping[str, str]) -> str:
    """`kitty`, `iterm`, `sixel`, or empty where nothing is known of the terminal."""

    def shows(name: str, start: str) -> bool:
        return bool(environ.get(name)) and environ[name].startswith(start)

    if any(shows(name, start) for name, start in _MULTIPLEXERS):
        return ""
    return next((spoken for name, start, spoken in TERMINALS if shows(name, start)), "")


def kitty(png: bytes) -> bytes:
    """A PNG at the cursor, which goes below it. q=2: kitty is to send no answer, which the shell would read.

    https://sw.kovidgoyal.net/kitty/graphics-protocol/
    """
    data = b64encode(png)
    chunks = [data[at : at + KITTY_CHUNK] for at in range(0, len(data), KITTY_CHUNK)] or [b""]
    last = len(chunks) - 1
    heads = [b"a=T,f=100,q=2," if not at else b"" for at in range(len(chunks))]
    return b"".join(
        b"\x1b_G%sm=%d;%s\x1b\\" % (head, at < last, chunk)
        for at, (head, chunk) in enumerate(zip(heads, chunks, strict=True))
    )


def iterm(picture: bytes) -> bytes:
    """A picture of any form at the cursor, in its own size. https://iterm2.com/documentation-images.html"""
    return b"\x1b]1337;File=inline=1;size=%d:%s\x07" % (len(picture), b64encode(picture))
