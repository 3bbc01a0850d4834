"""Why an answer is what it is, in lines for people: --explain, and an answer without anything close.

Pure. The daemon's words are shown as they come: a stage or a count that this client does not know is shown, too.
"""

from __future__ import annotations

from typing import Any

from kadr.output import visible
from kadr.protocol.messages import Search, Similar


def told(plan: dict[str, Any]) -> list[str]:
    """The `plan` of an end: what is one value on the first line, each map on a line of its own. None is what nobody counted.

    >>> told({"way": "exact", "matches": 1200, "more": None, "stages": {"parse": 0.1, "search": 12.5}})
    ['way exact, matches 1,200', 'stages: parse 0.1, search 12.5']
    """
    single = {
        name: value for name, value in plan.items() if value is not None and not isinstance(value, dict)
    }
    lines = [_pairs(single)] if single else []
    lines += [
        f"{_words(name)}: {_pairs(value)}"
        for name, value in plan.items()
        if isinstance(value, dict) and value
    ]
    return lines


def why(reasons: dict[str, Any]) -> str:
    """The `why` of a hit on one line.

    >>> why({"meaning": 0.3127, "words": ["beach", "sea"]})
    'meaning 0.313, words beach + sea'
    """
    return _pairs(reasons)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{_words(name)} {_value(value)}" for name, value in values.items())


def _words(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ") + (" (ms)" if name.endswith("_ms") else "")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return " + ".join(map(_value, value)) or "none"
    if isinstance(value, dict):
        return f"({_pairs(value)})"
    return visible(value if isinstance(value, bytes) else str(value))


def nothing_close(request: Search | Similar, best: float) -> str:
    """That nothing was close enough, how near the nearest was, and how to see it."""
    if isinstance(request, Search):
        what, again = request.text, shell(request.text)
    else:
        what = visible(request.path)
        again = f"similar {shell(what)}"
    return (
        f'nothing close to "{what}" (the nearest scores {scored(best)}); kadr {again} --min-score 0 shows it'
    )


def scored(best: float) -> str:
    """A score below the limit, which is a tenth: with a third digit where two would show the limit itself.

    >>> scored(0.1342), scored(0.1996), scored(0.2)
    ('0.13', '0.199', '0.20')
    """
    shown = f"{best:.2f}"
    return f"{int(best * 1000) / 1000:.3f}" if shown.endswith("0") and float(shown) > best else shown


def shell(text: str) -> str:
    r"""*text* as one word for a shell, with the quotes that people would type.

    >>> print(shell("red car"), shell("it's $5"))
    "red car" 'it'\''s $5'
    """
    if any(char in text for char in '"$`\\!'):
        return "'" + text.replace("'", r"'\''") + "'"
    return f'"{text}"'
