"""Every kind of message once, for the golden frames beside this file; run it to write them anew.

A golden that changes is a change of the wire. Then docs/protocol.md changes with it, and old clients are
to be thought of: keys may be added, none may go or change its type.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from kadr.protocol import messages
from kadr.protocol.errors import BY_CODE, Busy, KadrError, NotAFolder
from kadr.protocol.frames import encode
from kadr.protocol.messages import (
    Add,
    Cancel,
    Doctor,
    Dups,
    End,
    Err,
    Hello,
    Hit,
    Item,
    Pause,
    Ping,
    Progress,
    Remove,
    Rescan,
    Resume,
    Roots,
    Save,
    Saved,
    Search,
    Sheet,
    Similar,
    Status,
    Stop,
    Sync,
    Tag,
    Tags,
    Thumbnails,
    Unsave,
    Untag,
    Verify,
    Welcome,
)

HERE = os.path.dirname(os.path.abspath(__file__))
ODD = b"/pictures/caf\xe9.jpg"

_REQUESTS = (
    Ping(),
    Status(),
    Search("red bicycle in snow", 20, 0.2, sync=True),
    Similar(ODD),
    Dups("taken:2024", 0.96),
    Thumbnails([ODD], 256, "png"),
    Sheet([ODD], ["0.94  caf\\xe9.jpg"], "red bicycle"),
    Save("winter", "snow taken:winter"),
    Saved(),
    Unsave("winter"),
    Tag([ODD], write=["xattr", "sidecar"], vocabulary=b"/words.txt", threshold=0.75, trial=True),
    Untag(all=True),
    Tags(ODD),
    Roots(),
    Add(b"/pictures"),
    Remove(b"/pictures"),
    Rescan(),
    Sync(),
    Verify(),
    Doctor(),
    Pause(7200.0),
    Resume(),
    Stop(),
    Cancel(7),
)

_STATUS = {
    "version": "0.1.0",
    "model": "mini",
    "roots": [{"path": b"/pictures", "online": True, "files": 2040}],
    "files": 2040,
    "pictures": 2020,
    "pending": 0,
    "scanning": 0,
    "paused": False,
    "vectors": 2020,
    "failures": [{"path": ODD, "reason": "truncated", "sentence": "The file ends too early"}],
    "failures_total": 1,
    "encodes": 2020,
    "decodes": 2023,
    "overflows": 0,
    "recoveries": 0,
    "full_scans": 1,
    "shards": 1,
    "untagged": 0,
    "tagged": 310,
    "rss_bytes": 134217728,
    "uptime_s": 8040,
    "requests": 1,
    "warnings": [],
    "next_model": None,
}
_WELCOME = Welcome(
    1,
    "kadrd/0.1.0",
    "3f0c",
    list(messages.CAPABILITIES),
    {"request": 65536, "reply": 1048576, "depth": 16, "in_flight": 16},
    {"name": "mini", "id": "52568ea7bfdc9059", "dimension": 256},
    [],
)
_ENDS: dict[str, dict[str, Any]] = {
    "hello": _WELCOME._asdict(),
    "ping": {},
    "status": _STATUS,
    "search": {
        "count": 1,
        "took_ms": 12,
        "close": True,
        "best": 0.9375,
        "plan": {"way": "graph", "matches": None, "stages_ms": {"parse": 0.5}},
        "complete": False,
        "pending": 1240,
        "offline_roots": [b"/media/disk"],
        "warnings": ["a shard is being rebuilt"],
        "clock": "3f0c:812",
        "model": "mini",
    },
    "dups": {"groups": 1, "files": 2},
    "thumbnails": {"count": 1, "failures": 0, "took_ms": 40},
    "sheet": {"count": 1, "failures": 0, "took_ms": 90},
    "save": {"name": "winter", "text": "snow taken:winter"},
    "saved": {"searches": [{"name": "winter", "text": "snow taken:winter"}]},
    "unsave": {"name": "winter", "text": "snow taken:winter"},
    "tag": {"files": 2, "away": 0, "written": 1, "added": 1, "removed": 0, "refused": 0},
    "untag": {"files": 2, "away": 0, "written": 1, "added": 0, "removed": 1, "refused": 0},
    "tags": {
        "path": ODD,
        "tags": [{"tag": "beach", "whose": "kadr", "in": ["xattr"]}],
        "suppressed": ["dog"],
        "seen": [{"label": "beach", "score": 0.93}],
    },
    "roots": {"roots": [{"path": b"/pictures", "online": True, "files": 2040}]},
    "add": {"path": b"/pictures", "new": True, "warnings": []},
    "remove": {"path": b"/pictures", "files": 2040},
    "rescan": {"folders": 101},
    "pause": {"sentence": "Indexing is paused until 14:20"},
    "resume": {"paused": True},
    "sync": {"files": 2040, "pictures": 2020, "failures": 3, "pending": 0},
    "verify": {
        "ok": False,
        "files": 2040,
        "pictures": 2020,
        "vectors": 2020,
        "problems": [{"kind": "other-content", "path": ODD, "sentence": "The file holds something else"}],
        "problems_total": 1,
        "mended": 1,
        "took_ms": 4200,
    },
    "doctor": {"checks": [{"name": "watches", "ok": False, "says": "all used", "act": "Raise the limit."}]},
}


def _blank(kind: type[KadrError]) -> KadrError:
    """An error of *kind* whose template needs nothing in particular."""
    return kind(
        why="why",
        path="/p",
        what="it",
        op="'x'",
        size=2,
        limit=1,
        ours=1,
        theirs=2,
        missing="x",
        socket="/s",
        text="lnes:50mm",
        column=0,
        length=9,
    )


SAMPLES: dict[str, dict[str, Any]] = {
    "request-hello": messages.hello(Hello([1, 1], "kadr/0.1.0", ["search"], ["sync"])),
    **{f"request-{type(value).__name__.lower()}": messages.request(7, value) for value in _REQUESTS},
    "request-with-deadline": messages.request(8, Search("cat"), 2500),
    "reply-item": messages.reply(
        7,
        Item(
            [
                Hit(
                    ODD,
                    0.9375,
                    "c0ffee",
                    4000,
                    3000,
                    "2024-01-06T15:20:41+02:00",
                    "Kyiv, Ukraine",
                    "Canon EOS 5D",
                    ["sea"],
                )._asdict()
            ]
        ),
    ),
    "reply-progress": messages.reply(7, Progress("index", 1240, 2020, 3)),
    **{f"reply-end-{op}": messages.reply(0 if op == "hello" else 7, End(body)) for op, body in _ENDS.items()},
    **{f"reply-err-{code}": messages.reply(7, Err(_blank(kind))) for code, kind in BY_CODE.items()},
    "reply-err-with-path": messages.reply(7, Err(NotAFolder(path="/pictures/a.jpg"))),
    "reply-err-with-retry": messages.reply(7, Err(Busy(retry_ms=250))),
}


def written(name: str) -> str:
    """The text of a golden file: hexadecimal, 32 bytes a line."""
    digits = encode(SAMPLES[name]).hex()
    return "".join(f"{digits[at : at + 64]}\n" for at in range(0, len(digits), 64))


def main() -> int:
    for name in SAMPLES:
        with open(os.path.join(HERE, f"{name}.hex"), "w", encoding="ascii") as file:
            file.write(written(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
