"""What can be seen to be wrong without a daemon: the places of paths.py. Repairs nothing."""

from __future__ import annotations

import os
import stat

from kadr.pages import Check
from kadr.protocol.paths import SOCKET_PATH_LIMIT, Paths


def own_checks(paths: Paths) -> list[Check]:
    """What can be seen without a daemon."""
    length = len(os.fsencode(paths.socket))
    return [
        Check(
            "socket",
            ok=length <= SOCKET_PATH_LIMIT,
            says=f"{paths.socket}, {length} of at most {SOCKET_PATH_LIMIT} bytes",
            act="Set KADR_HOME or XDG_RUNTIME_DIR to a shorter folder.",
        ),
        _folder_check(os.path.dirname(paths.socket)),
        Check(
            "log", ok=True, says=paths.log if os.path.exists(paths.log) else f"{paths.log}, not written yet"
        ),
    ]


def _folder_check(folder: str) -> Check:
    try:
        seen = os.stat(folder)
    except FileNotFoundError:
        return Check("socket folder", ok=True, says=f"{folder}, made when the daemon starts")
    except OSError as error:
        return Check(
            "socket folder",
            ok=False,
            says=f"{folder}: {error.strerror}",
            act="Give yourself the right to it.",
        )
    if seen.st_uid != os.geteuid():
        return Check(
            "socket folder", ok=False, says=f"{folder} belongs to another user", act="Set KADR_HOME."
        )
    mode = stat.S_IMODE(seen.st_mode)
    return Check(
        "socket folder", ok=not mode & 0o077, says=f"{folder}, mode {mode:04o}", act=f"chmod 700 {folder}"
    )
