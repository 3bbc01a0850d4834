"""Where a desktop looks for what is its user's own (XDG base directory specification). Pure: the environment is an argument."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class Places(NamedTuple):
    """Folders, each an absolute path."""

    data: str
    config: str
    cache: str
    system_config: tuple[str, ...]
    """where programs look for what the user has no file of, the first one first"""


def places(environ: Mapping[str, str]) -> Places:
    """The folders that *environ* names, or the specification's own where it names none; a relative path counts as none.

    >>> places({"HOME": "/home/u", "XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "not/absolute"})[:3]
    ('/home/u/.local/share', '/c', '/home/u/.cache')
    """
    home = environ.get("HOME") or os.path.expanduser("~")

    def own(name: str, *below: str) -> str:
        value = environ.get(name, "")
        return value if os.path.isabs(value) else os.path.join(home, *below)

    named = [folder for folder in environ.get("XDG_CONFIG_DIRS", "").split(":") if os.path.isabs(folder)]
    return Places(
        data=own("XDG_DATA_HOME", ".local", "share"),
        config=own("XDG_CONFIG_HOME", ".config"),
        cache=own("XDG_CACHE_HOME", ".cache"),
        system_config=tuple(named or ["/etc/xdg"]),
    )
