"""Every error that kadr can report: what happened, what to do next, a stable code and an exit code.

The docstring of a class is its sentence, `act` says what to do next, `code` travels on the wire and
never changes, `exit_code` is what the shell sees. Raise the most special one; only `cli.main` and
`kadrd.__main__` turn them into an exit. What concerns one picture is a value, never one of these.
"""

from __future__ import annotations

FOUND, NOTHING, USAGE, UNREACHABLE, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130


class KadrError(Exception):
    """Something went wrong: {why}."""

    code = "internal"
    exit_code = FAILED
    act = "Look at the daemon's log (`kadr doctor` says where), and report it if it happens again."
    carries: tuple[str, ...] = ()
    """the keys of `detail` that travel"""

    def __init__(self, *, act: str = "", retry_ms: int = 0, **detail: object) -> None:
        self.detail = detail
        self.retry_ms = retry_ms
        # A given act may name a path with braces in it; only the class's own is a template.
        self.act = act or type(self).act.format(**detail)
        self.sentence = (type(self).__doc__ or "").strip().format(**detail)
        super().__init__(self.sentence)


class BadFrame(KadrError):
    """A message could not be read: {why}."""

    code = "bad-frame"
    act = "Use a client that speaks kadr's protocol (docs/protocol.md)."


class TooLarge(KadrError):
    """A message of {size} bytes is over the limit of {limit} bytes."""

    code = "too-large"
    exit_code = USAGE
    act = "Ask for less at once."


class NotInitialized(KadrError):
    """The first message has to be hello."""

    code = "not-initialized"
    act = "Send hello first (docs/protocol.md)."


class UnsupportedProtocol(KadrError):
    """The daemon speaks protocol {ours}, the client asks for {theirs}."""

    code = "unsupported-proto"
    act = "Bring both to the same version, then `kadr stop` and ask again."


class MissingCapability(KadrError):
    """The daemon cannot do what the client needs: {missing}."""

    code = "missing-capability"
    act = "Update the daemon, then `kadr stop` and ask again."


class UnknownOp(KadrError):
    """The daemon does not know the request {op}."""

    code = "unknown-op"
    act = "Update the daemon, then `kadr stop` and ask again."


class BadParameter(KadrError):
    """{why}."""

    code = "bad-param"
    exit_code = USAGE
    act = "`kadr --help` shows how it is asked."


class EmptyQuery(KadrError):
    """There is nothing to look for: the query is empty."""

    code = "empty-query"
    exit_code = USAGE
    act = 'Say what the picture shows, for instance: kadr "red bicycle in snow"'


class QueryError(KadrError):
    """{why}."""

    # `detail` holds the query as `text`, and where in it the mistake lies: `column` (from 0) and `length`, in characters.
    code = "bad-query"
    exit_code = USAGE
    act = "`kadr search --help` lists the filters; docs/query.md explains each by an example."
    carries = ("text", "column", "length")


class NotFound(KadrError):
    """{what} does not exist."""

    code = "not-found"
    exit_code = USAGE
    act = "Check the spelling."


class NotAFolder(KadrError):
    """{path} is not a folder."""

    code = "not-a-folder"
    exit_code = USAGE
    act = "kadr watches folders: add the folder that holds it."


class NotReadable(KadrError):
    """{path} cannot be read: permission denied."""

    code = "not-readable"
    exit_code = USAGE
    act = "Give yourself the right to read it (chmod u+rx), then ask again."


class NotARoot(KadrError):
    """{path} is not a watched folder."""

    code = "not-a-root"
    exit_code = USAGE
    act = "`kadr roots` lists the watched folders, `kadr add FOLDER` adds one."


class NotAPicture(KadrError):
    """{path} cannot be used as a picture: {why}."""

    code = "not-a-picture"
    exit_code = USAGE
    act = "Name a picture file (JPEG, PNG, WebP, GIF, TIFF, BMP ...)."


class Busy(KadrError):
    """The daemon has too much to do right now."""

    code = "busy"
    act = "Ask again in a moment."


class DeadlinePassed(KadrError):
    """The answer was not ready in time."""

    code = "deadline"
    act = "Ask again, with a longer --timeout if need be."


class Cancelled(KadrError):
    """The request was cancelled."""

    code = "cancelled"
    exit_code = INTERRUPTED
    act = "Nothing to do."


class ShuttingDown(KadrError):
    """The daemon is stopping."""

    code = "shutting-down"
    exit_code = UNREACHABLE
    act = "Ask again: the client starts a new one."


class Degraded(KadrError):
    """Pictures cannot be indexed at the moment: {why}."""

    code = "degraded"
    act = "Nothing is lost, and search goes on with what is indexed. `kadr doctor` says more."


class Paused(KadrError):
    """{why}."""

    code = "paused"
    act = "`kadr resume` goes on with it. Without waiting for it, search finds what is known."


class ModelFailed(KadrError):
    """The model cannot be used: {why}."""

    code = "model"
    act = (
        "`kadrd model list` shows the installed models, `kadrd model use mini` goes back to the built-in one."
    )


class Unreachable(KadrError):
    """No daemon answers at {socket}: {why}."""

    code = "unreachable"
    exit_code = UNREACHABLE
    act = "Start it with `kadr start`."


class CannotStart(KadrError):
    """The daemon could not be started: {why}."""

    code = "cannot-start"
    exit_code = UNREACHABLE
    act = "See what it says when run by hand: kadrd run"


class Usage(KadrError):
    """{why}."""

    code = "usage"
    exit_code = USAGE
    act = "`kadr --help` shows how it is used."


def _family(kind: type[KadrError]) -> list[type[KadrError]]:
    return [kind, *(child for sub in kind.__subclasses__() for child in _family(sub))]


BY_CODE = {kind.code: kind for kind in _family(KadrError)}


def to_wire(error: KadrError) -> dict[str, object]:
    """The keys of an `err` reply."""
    wire: dict[str, object] = {"code": error.code, "msg": error.sentence, "act": error.act}
    if error.retry_ms:
        wire["retry_ms"] = error.retry_ms
    if error.carries:
        wire["detail"] = {name: error.detail.get(name) for name in error.carries}
    return wire


def from_wire(wire: dict[str, object]) -> KadrError:
    """The error that *wire* describes. A code of a newer daemon keeps its sentence, as a plain KadrError."""
    kind = BY_CODE.get(str(wire.get("code")), KadrError)
    error = KadrError.__new__(kind)
    sentence = str(wire.get("msg", ""))
    Exception.__init__(error, sentence)
    detail = wire.get("detail")
    error.sentence, error.act = sentence, str(wire.get("act", ""))
    error.detail = detail if isinstance(detail, dict) else {}
    retry = wire.get("retry_ms", 0)
    error.retry_ms = retry if isinstance(retry, int) else 0
    return error
