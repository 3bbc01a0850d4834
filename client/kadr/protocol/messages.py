"""Every request and reply as a frozen value, and how each looks on the wire.

Sans-IO, like frames.py. `REQUESTS` is the table of contents of the daemon: one entry is one thing that
it can do, one function of the same name in kadrd/serve/commands.py and one section of docs/protocol.md.

Compatibility: unknown keys are ignored, unknown ops are answered with `unknown-op`, ops are never
removed, new behaviour is a new capability name. PROTOCOL changes only when hello itself does.

History of PROTOCOL
  1  first version
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from kadr.protocol.errors import BadParameter, KadrError, UnknownOp
from kadr.protocol.errors import from_wire as error_from_wire
from kadr.protocol.errors import to_wire as error_to_wire

PROTOCOL = 1
CAPABILITIES = (
    "search", "similar", "filters", "dups", "pictures", "saved", "follow", "facts", "tags", "roots", "sync", "verify",
    "doctor", "rescan", "pause", "stop", "cancel",
)  # fmt: skip
ROWS_A_REPLY = 100
DEFAULT_LIMIT, MAX_LIMIT = 10, 1_000_000
BY = ("both", "meaning", "words")
SORTS = ("score", "date", "name")
GROUPS = ("day", "place", "near")
FORMS = ("png", "jpeg", "sixel")
CARRIERS = ("xattr", "sidecar", "embedded")


class Hello(NamedTuple):
    """The first message of a connection, and the only one before its answer."""

    proto: list[int]
    client: str = ""
    require: list[str] = []  # noqa: RUF012 - a NamedTuple's default, never changed
    want: list[str] = []  # noqa: RUF012


class Welcome(NamedTuple):
    """The answer to hello."""

    proto: int
    server: str
    instance: str
    caps: list[str]
    limits: dict[str, int]
    model: dict[str, Any]
    warnings: list[str]


class Ping(NamedTuple):
    """Are you there?"""


class Status(NamedTuple):
    """How far the index is, and how the daemon feels."""


class Search(NamedTuple):
    """The pictures that `text` asks for, in the language of docs/query.md: best first, or newest first where only filters say which."""

    text: str
    limit: int = 0
    """0: DEFAULT_LIMIT where something ranks, every match where only filters say which"""
    min_score: float | None = None
    sync: bool = False
    by: str = "both"
    """what ranks: one of BY"""
    sort: str = "score"
    """one of SORTS"""
    group: str = ""
    """one of GROUPS, or empty: hits that belong together follow each other, with one name in `group`"""
    explain: bool = False
    """say in `why` of each hit and in `plan` of the end how they came about"""
    follow: bool = False
    """after the first answer, whose end a Progress of the stage `follow` tells, go on until cancelled: an item for what comes and goes"""
    cwd: bytes = b""
    """the folder that relative paths in `text` start from"""
    facts: bool = False
    """each row has the fields of protocol/facts.py, too"""


class Similar(NamedTuple):
    """The pictures that look like the one in the file `path`, best first; `text` may narrow them with filters."""

    path: bytes
    limit: int = 0
    min_score: float | None = None
    sync: bool = False
    text: str = ""
    sort: str = "score"
    group: str = ""
    explain: bool = False
    cwd: bytes = b""


class Dups(NamedTuple):
    """Files that show the same: with equal bytes, equal pictures, or nearly the same to the eye. `text` narrows which."""

    text: str = ""
    near: float = 0.0
    """the least cosine of near ones; 0: none are looked for"""
    sync: bool = False
    cwd: bytes = b""


class Thumbnails(NamedTuple):
    """Each of the files `paths` as a small picture, its longer side at most `side` pixels."""

    paths: list[bytes]
    side: int = 256
    form: str = "png"
    """one of FORMS"""


class Sheet(NamedTuple):
    """A contact sheet of the files `paths`, in that order, each with its line of `captions` below it."""

    paths: list[bytes]
    captions: list[str]
    title: str = ""
    form: str = "jpeg"


class Save(NamedTuple):
    """Keep the search `text` under `name`; the search `saved:NAME` is then the same."""

    name: str
    text: str
    cwd: bytes = b""
    """the folder that relative paths in `text` start from: they are kept as whole ones; empty: kept as they are"""


class Saved(NamedTuple):
    """The saved searches."""


class Unsave(NamedTuple):
    """Forget the saved search `name`."""

    name: str


class Tag(NamedTuple):
    """Write what pictures show as tags on their files: of `paths` (files and folders), or of those that `text` finds; of neither: of every one."""

    paths: list[bytes] = []  # noqa: RUF012 - a NamedTuple's default, never changed
    text: str = ""
    limit: int = 0
    """how many that `text` finds; 0: every match where only filters say which, else those that are close"""
    write: list[str] = []  # noqa: RUF012
    """places, of CARRIERS; none: those of the settings"""
    vocabulary: bytes = b""
    """a file of words; empty: that of the settings"""
    threshold: float = -1.0
    """the least confidence; below 0: that of the settings"""
    trial: bool = False
    """say what would be written, and write nothing"""
    cwd: bytes = b""


class Untag(NamedTuple):
    """Take away the tags that kadr wrote, of `paths`, of what `text` finds, or with `all` everywhere; others' stay."""

    paths: list[bytes] = []  # noqa: RUF012
    text: str = ""
    all: bool = False
    trial: bool = False
    cwd: bytes = b""


class Tags(NamedTuple):
    """What the picture file `path` carries, whose word each tag is, and what kadr sees in it."""

    path: bytes


class Roots(NamedTuple):
    """The watched folders."""


class Add(NamedTuple):
    """Watch the folder `path` from now on."""

    path: bytes


class Remove(NamedTuple):
    """Watch the folder `path` no longer, and forget its files."""

    path: bytes


class Rescan(NamedTuple):
    """Look at `path` again (empty: at everything), and give what failed there another try."""

    path: bytes = b""


class Sync(NamedTuple):
    """Answer once every change made before now is indexed; progress until then."""


class Verify(NamedTuple):
    """Compare catalogue, shards and disk, every byte of every file; progress on the way."""


class Doctor(NamedTuple):
    """What could be wrong around the daemon, each with its remedy."""


class Pause(NamedTuple):
    """Index nothing, and answer all the same; also after a restart. A `sync` meanwhile ends with the code `paused`."""

    seconds: float = 0.0
    """how long; 0: until `resume`"""


class Resume(NamedTuple):
    """Go on with indexing."""


class Stop(NamedTuple):
    """Stop the daemon. Nothing is lost; it also survives being killed."""


class Cancel(NamedTuple):
    """Stop working on the request `target` of this connection; it ends with the code `cancelled`."""

    target: int


REQUESTS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (
        Ping, Status, Search, Similar, Dups, Thumbnails, Sheet, Save, Saved, Unsave, Tag, Untag, Tags, Roots, Add,
        Remove, Rescan, Sync, Verify, Doctor, Pause, Resume, Stop, Cancel,
    )
}  # fmt: skip


class Hit(NamedTuple):
    """One answer of a search: a file, its picture, and how near it is."""

    path: bytes
    score: float
    """what docs/query.md calls the score: the same for every question; 0 where nothing ranks"""
    picture: str
    width: int
    height: int
    taken: str = ""
    """when, as the camera's clock showed it: 2024-06-01T12:30:00, with +03:00 behind it where that is known"""
    place: str = ""
    camera: str = ""
    tags: list[str] = []  # noqa: RUF012 - a NamedTuple's default, never changed
    group: str = ""
    why: dict[str, Any] = {}  # noqa: RUF012


class Item(NamedTuple):
    """Some of the rows of an answer; at most ROWS_A_REPLY."""

    rows: list[dict[str, Any]]


class Progress(NamedTuple):
    """How far a long request is. `total` may still grow, 0 means not known yet."""

    stage: str
    done: int
    total: int
    failures: int = 0


class End(NamedTuple):
    """The last reply of a request that went well. `body` is the op's own answer."""

    body: dict[str, Any]


class Err(NamedTuple):
    """The last reply of a request that did not go well."""

    error: KadrError


Reply = Item | Progress | End | Err

_T = TypeVar("_T")

# The annotations of the values above name their check.
_CHECKS: dict[str, Any] = {
    "str": lambda v: isinstance(v, str),
    "bytes": lambda v: isinstance(v, bytes),
    "bool": lambda v: isinstance(v, bool),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "float | None": lambda v: v is None or _CHECKS["float"](v),
    "list[int]": lambda v: isinstance(v, list) and all(map(_CHECKS["int"], v)),
    "list[bytes]": lambda v: isinstance(v, list) and all(map(_CHECKS["bytes"], v)),
    "list[str]": lambda v: isinstance(v, list) and all(map(_CHECKS["str"], v)),
    "list[dict[str, Any]]": lambda v: isinstance(v, list) and all(isinstance(row, dict) for row in v),
    "dict[str, int]": lambda v: isinstance(v, dict),
    "dict[str, Any]": lambda v: isinstance(v, dict),
}


def hello(value: Hello) -> dict[str, Any]:
    """*value* as the first map of a connection."""
    return {"op": "hello", "id": 0, **value._asdict()}


def request(id_: int, value: tuple[Any, ...], deadline_ms: int = 0) -> dict[str, Any]:
    """A request value as a map."""
    message = {"id": id_, "op": type(value).__name__.lower(), "p": value._asdict()}  # type: ignore[attr-defined]
    return message | ({"deadline_ms": deadline_ms} if deadline_ms else {})


def read_request(message: dict[str, Any]) -> tuple[int, Any, int]:
    """(id, request value, deadline in ms or 0) of a map. Raises UnknownOp or BadParameter."""
    op, id_, deadline = message.get("op"), message.get("id"), message.get("deadline_ms", 0)
    if not isinstance(id_, int) or not 0 < id_ < 2**63 or isinstance(id_, bool):
        raise BadParameter(why="The request has no positive whole number as its id")
    if not isinstance(deadline, int) or deadline < 0 or isinstance(deadline, bool):
        raise BadParameter(why="deadline_ms is not a number of milliseconds")
    if not isinstance(op, str) or op not in REQUESTS:
        raise UnknownOp(op=repr(op)[:40])
    return id_, fields(REQUESTS[op], message.get("p", {})), deadline


def reply(id_: int, value: Reply) -> dict[str, Any]:
    """A reply value as a map."""
    if isinstance(value, Item):
        return {"id": id_, "k": "item", "rows": value.rows}
    if isinstance(value, Progress):
        return {"id": id_, "k": "progress", **value._asdict()}
    if isinstance(value, End):
        return {"id": id_, "k": "end", **value.body}
    return {"id": id_, "k": "err", **error_to_wire(value.error)}


def read_reply(message: dict[str, Any]) -> tuple[int, Reply]:
    """(id, reply value) of a map. Raises BadParameter."""
    id_, kind = message.get("id"), message.get("k")
    if not isinstance(id_, int) or isinstance(id_, bool):
        raise BadParameter(why="The reply has no whole number as its id")
    if kind == "item":
        return id_, fields(Item, message)
    if kind == "progress":
        return id_, fields(Progress, message)
    if kind == "end":
        return id_, End({key: value for key, value in message.items() if key not in {"id", "k"}})
    if kind == "err":
        return id_, Err(error_from_wire(message))
    raise BadParameter(why=f"The reply is of no known kind: {kind!r:.40}")


def fields(kind: type[_T], given: object) -> _T:
    """A *kind* from the map *given*: unknown keys ignored, types checked. Raises BadParameter."""
    if not isinstance(given, dict):
        raise BadParameter(why="The parameters are not a map")
    # NamedTuple wraps the annotation's text in a ForwardRef.
    known = {name: str(getattr(note, "__forward_arg__", note)) for name, note in kind.__annotations__.items()}
    defaults: dict[str, Any] = getattr(kind, "_field_defaults", {})
    for name, wanted in known.items():
        if name not in given and name not in defaults:
            raise BadParameter(why=f"{name} is missing")
        if name in given and not _CHECKS[wanted](given[name]):
            raise BadParameter(why=f"{name} has to be {wanted}")
    return kind(**{name: given[name] for name in known if name in given})
