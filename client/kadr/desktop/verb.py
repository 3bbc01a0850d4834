"""kadr desktop WHAT: install, uninstall and status of what other programs are given; serve, show and similar, which they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from shutil import which

from kadr import output
from kadr.arguments import Asked
from kadr.asking import seconds
from kadr.desktop.hooks import GNOME_SYSTEM, HOOKS, Hook
from kadr.desktop.installing import Desktop, Done
from kadr.desktop.places import Places, places
from kadr.output import talk, visible
from kadr.protocol.errors import FAILED, FOUND, Usage
from kadr.protocol.paths import current, environment

# Nobody asks for so long: the bus starts it again at the next keystroke.
IDLE_SECONDS = 240.0


def do_desktop(asked: Asked) -> int:
    what, *names = asked.operands
    if what not in _WHATS:
        raise Usage(why=f"desktop does not know {what!r}", act=f"Write kadr desktop {' | '.join(_WHATS)}")
    return _WHATS[what](asked, names)


def _install(_: Asked, names: list[str]) -> int:
    if sys.platform != "linux":
        raise Usage(
            why="There is nothing to install on this system",
            act="docs/desktop.md says how Alfred and others ask kadr",
        )
    desktop, ours = _desktop()
    hooks = _named(names) if names else [hook for hook in HOOKS.values() if _is_here(hook)]
    kept = False
    for hook in hooks:
        done = desktop.install(hook)
        kept |= _tell(done)
        talk(f"{hook.program}: {hook.gives}")
        if any(one.what == "written" for one in done):
            talk(f"  {hook.then.format(data=ours.data)}")
        for command in hook.needs:
            if not which(command):
                talk(f"  It needs the program {command}, which is not installed")
    others = [hook.name for hook in HOOKS.values() if hook not in hooks]
    if others and not names:
        talk(
            f"not here, so left out: {', '.join(others)}. kadr desktop install NAME puts one there all the same"
        )
    return FAILED if kept else FOUND


def _uninstall(_: Asked, names: list[str]) -> int:
    desktop, _ours = _desktop()
    hooks = _named(names) if names else [hook for hook in HOOKS.values() if desktop.installed(hook)]
    kept = False
    for hook in hooks:
        kept |= _tell(desktop.uninstall(hook))
        if hook.name == "gnome" and os.path.lexists(GNOME_SYSTEM):
            talk(f"one file is root's; run: sudo rm {GNOME_SYSTEM}")
    if not hooks:
        talk("nothing is installed")
    return FAILED if kept else FOUND


def _tell(done: list[Done]) -> bool:
    """Say what became of each file. Whether one was left alone."""
    for one in done:
        if one.what == "kept":
            talk(f"kept: {visible(one.path)} ({one.why})")
        elif one.what in {"written", "removed"}:
            output.write(f"{one.what}: {visible(one.path)}{f' ({one.why})' if one.why else ''}\n".encode())
    return any(one.what == "kept" for one in done)


def _status(asked: Asked, names: list[str]) -> int:
    desktop, _ours = _desktop()
    for hook in _named(names or list(HOOKS)):
        state = _state(desktop, hook)
        if "json" in asked.options:
            row = {
                "name": hook.name,
                "program": hook.program,
                "here": _is_here(hook),
                "state": state,
                "gives": hook.gives,
            }
            output.write(output.json_line(row | {"files": [desktop.path(piece) for piece in hook.pieces]}))
        else:
            here = "" if _is_here(hook) else f" ({hook.program} is not here)"
            output.write(f"{hook.name:<9} {state}{here}: {hook.gives}\n".encode())
    return FOUND


def _state(desktop: Desktop, hook: Hook) -> str:
    if not desktop.installed(hook):
        return "not installed"
    return "changed by you" if desktop.changed(hook) else "installed"


def _serve(asked: Asked, _: list[str]) -> int:
    try:
        from kadr.desktop import bus  # late: it loads a library, which is an extra
    except ImportError:
        raise Usage(why="The D-Bus library is not installed", act="pip install 'kadr[desktop]'") from None
    bus.serve(seconds(asked, default=IDLE_SECONDS))
    return FOUND


def _show(asked: Asked, words: list[str]) -> int:
    from kadr.desktop.showing import show  # late: installing shows nothing

    return show(asked, words)


def _similar(asked: Asked, words: list[str]) -> int:
    from kadr.desktop.showing import similar

    return similar(asked, words)


_WHATS: dict[str, Callable[[Asked, list[str]], int]] = {
    "install": _install,
    "uninstall": _uninstall,
    "status": _status,
    "show": _show,
    "similar": _similar,
    "serve": _serve,
}


def _named(names: list[str]) -> list[Hook]:
    for name in names:
        if name not in HOOKS:
            raise Usage(why=f"There is nothing for {name!r}", act=f"Name some of {', '.join(HOOKS)}.")
    return [HOOKS[name] for name in names]


def _is_here(hook: Hook) -> bool:
    return any(which(command) for command in hook.commands)


def _desktop() -> tuple[Desktop, Places]:
    ours = places(environment())
    return Desktop(ours, current().state, list(command())), ours


def command() -> Iterator[str]:
    """The command that runs this kadr from anywhere: desktops do not know the PATH of a shell."""
    script = os.path.join(os.path.dirname(sys.executable), "kadr")
    yield from [script] if os.access(script, os.X_OK) else [sys.executable, "-P", "-m", "kadr"]
