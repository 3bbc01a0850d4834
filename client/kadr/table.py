"""Every verb and option of `kadr`, once. Parser, help, man page, completions, README and tests read these tables.

Data only: nothing here parses, prints or connects. A verb runs as `do_<name>` in the module that is its home.
Every filter of the query language is an option too; those rows are protocol/prefixes.py, which a plain search does not load.
"""

from __future__ import annotations

from typing import NamedTuple

from kadr.protocol.messages import BY, DEFAULT_LIMIT, GROUPS, SORTS


class Option(NamedTuple):
    """One option, the same in every verb that takes it."""

    name: str
    help: str
    section: str
    """the heading of SECTIONS that it stands under"""
    shorts: str = ""
    """its letters, the one that is shown first"""
    value: str = ""
    """what the help calls its value; empty for a switch"""
    kind: type[int | float | str | list[str]] = int
    """what the value is, where there is one; a list is the rest of the line, up to a lone `;`"""
    also: tuple[str, ...] = ()
    """other names of it, for those who know it from elsewhere"""
    choices: tuple[str, ...] = ()
    """the only values that it has"""
    query: str = ""
    """what stands before its value in the query: `+` or `-`, or a filter with `-` before it to negate; may be repeated"""
    needs: str = ""
    """a capability that the daemon must have"""


class Verb(NamedTuple):
    """One thing that `kadr` can do."""

    name: str
    operands: str
    """`FILE` is one, `FOLDER...` is one or more, `[PATH]` is one or none, `NAME TEXT...` is two or more"""
    help: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """capabilities that the daemon must have"""
    home: str = "verbs"
    """the module of kadr that does it"""

    @property
    def least(self) -> int:
        return sum(not word.startswith("[") for word in self.operands.split())

    @property
    def most(self) -> float:
        return float("inf") if "..." in self.operands else len(self.operands.split())

    @property
    def asks(self) -> bool:
        """Whether it sends a query, and so takes every filter as an option."""
        return "extension" in self.options


SECTIONS = {
    "which": "Which pictures, and how many",
    "filter": "Filters as options; every filter of docs/query.md is one, and --NAME VALUE is the query's NAME:VALUE",
    "form": "How they are shown",
    "use": "What is done with them, instead of printing their paths",
    "tags": "What is written on files, and where",
    "daemon": "The daemon",
}

PROGRAMS = ("alfred", "rofi", "fzf")

# fmt: off
OPTIONS = {option.name: option for option in (
    Option("limit", f"at most N answers ({DEFAULT_LIMIT}; all where only filters say which)", "which", "nt", "N", also=("top",)),
    Option("min-score", "only what scores X or more; 0 shows what is far, too", "which", value="X", kind=float),
    Option("by", "what ranks: meaning, words, or both (both)", "which", value="WHAT", kind=str, choices=BY[1:] + BY[:1]),
    Option("sort", "by score, date or name", "which", value="HOW", kind=str, choices=SORTS),
    Option("group", "put together what is of one day, one place, or nearly the same", "which", value="HOW", kind=str, choices=GROUPS),
    Option("add", "add the meaning of TEXT, or of a picture file", "which", "a", "TEXT", str, query="+"),
    Option("subtract", "take the meaning of TEXT away, or of a picture file", "which", "s", "TEXT", str, ("sub",), query="-"),
    Option("near", "also what looks nearly the same: a cosine of X or more, such as 0.96", "which", value="X", kind=float),
    Option("sync", "wait until every change made before now is indexed", "which"),
    Option("follow", "go on: show what comes and what goes, until Ctrl-C", "which", needs="follow"),

    Option("extension", "files that end in .EXT", "filter", "e", "EXT", str, query="ext"),
    Option("exclude", "leave out files with a name like GLOB", "filter", "E", "GLOB", str, query="-name"),
    Option("exclude-dir", "leave out folders called NAME, with all below", "filter", value="NAME", kind=str, query="-folder"),
    Option("size", "of the file: +1M is at least, -1M at most", "filter", "S", "SIZE", str, query="size"),
    Option("changed-within", "file changed since a date, or within 2weeks, 10h ...", "filter", value="WHEN", kind=str, query="changed"),
    Option("changed-before", "file not changed since a date, or within 2weeks ...", "filter", value="WHEN", kind=str, query="-changed"),

    Option("filepath-only", "paths without scores", "form", "f"),
    Option("null", "end every path with NUL instead of a new line (for xargs -0)", "form", "0", also=("print0",)),
    Option("json", "print JSON, one object a line", "form"),
    Option("as", "print what PROGRAM reads: alfred, rofi or fzf (docs/desktop.md)", "form", value="PROGRAM", kind=str, choices=PROGRAMS),
    Option("csv", "print a table with commas, its first line the names", "form"),
    Option("preview", "show the pictures in the terminal", "form", "p", needs="pictures"),
    Option("preview-height", "at most PX pixels high (400)", "form", "H", "PX"),
    Option("explain", "say how the answer came about, and why each hit is one", "form"),

    Option("exec", "run CMD for each, up to a lone ;   {} {/} {//} {.} {/.} as in fd", "use", "x", "CMD...", list),
    Option("exec-batch", "run CMD once for all", "use", "X", "CMD...", list),
    Option("open", "open them in the programs that you use for pictures", "use"),
    Option("link-to", "make DIR an album: a folder of links to them, made anew each time", "use", value="DIR", kind=str),
    Option("sheet", "write a contact sheet, FILE.jpg or FILE.png", "use", value="FILE", kind=str, needs="pictures"),

    Option("write", "places for tags, with commas between: xattr, sidecar, embedded", "tags", value="WHERE", kind=str),
    Option("vocab", "the words, one a line, instead of the built-in ones", "tags", value="FILE", kind=str),
    Option("threshold", "only words of which kadr is at least so sure, from 0 to 1", "tags", value="T", kind=float),
    Option("all", "everything that kadr ever wrote", "tags"),
    Option("dry-run", "say what would be written, and write nothing", "tags"),
    Option("yes", "do not ask first", "tags", "y"),

    Option("detach", "do not wait for the indexing", "daemon"),
    Option("watch", "show it again every second", "daemon"),
    Option("for", "only for so long: 30min, 2h, 1day", "daemon", value="TIME", kind=str),
    Option("timeout", "give up after S seconds", "daemon", value="S", kind=float),
    Option("no-start", "do not start the daemon when none runs", "daemon"),
    Option("help", "show this", "daemon", "h"),
    Option("version", "the same as the verb version", "daemon"),
)}
# fmt: on

EVERYWHERE = ("help", "version")
_ASK = ("timeout", "no-start")
_WAIT = ("detach", *_ASK)
_FILTER = ("extension", "exclude", "exclude-dir", "size", "changed-within", "changed-before")
_MEAN = ("add", "subtract")
_USE = ("exec", "exec-batch", "open", "link-to", "sheet")
_SHOW = ("filepath-only", "null", "json", "as", "preview", "preview-height", "explain")
_WHICH = ("limit", "min-score", "sort", "group", "sync")
_SIMILAR = (*_WHICH, *_FILTER, *_SHOW, *_USE, *_ASK)
_SEARCH = (*_WHICH, "by", *_MEAN, "follow", *_FILTER, *_SHOW, *_USE, *_ASK)
_TAG = ("write", "vocab", "threshold", "limit", "dry-run", "yes", "json", *_FILTER, *_ASK)
_UNTAG = ("all", "dry-run", "yes", "json", *_FILTER, *_ASK)
_EXPORT = ("limit", "min-score", "sort", "by", *_MEAN, "sync", *_FILTER, "csv", *_ASK)

# Of each line one at most: a hit becomes one thing.
APART = (
    ("json", "null", "filepath-only", "as", "preview", *_USE),
    *(("follow", way) for way in ("preview", "as", "exec", "exec-batch", "open", "sheet", "group")),
)

# fmt: off
VERBS = {verb.name: verb for verb in (
    Verb("search", "TEXT...", "pictures that show what TEXT says; the verb may be left out", _SEARCH, ("search",), "cli"),
    Verb("similar", "FILE", "pictures that look like the one in FILE", _SIMILAR, ("similar",), "cli"),
    Verb("dups", "[FILTER...]", "files that show the same, of those that the filters let through", ("near", "json", "sync", *_FILTER, *_ASK), ("dups",), "dups"),
    Verb("export", "[TEXT...]", "everything known of every match, as JSON or CSV", _EXPORT, ("search", "filters", "facts"), "export"),
    Verb("save", "NAME TEXT...", "keep a search; kadr saved:NAME asks it again", (*_MEAN, *_FILTER, *_ASK), ("saved",), "saved"),
    Verb("saved", "", "the saved searches", ("json", *_ASK), ("saved",), "saved"),
    Verb("unsave", "NAME", "forget a saved search", _ASK, ("saved",), "saved"),
    Verb("tag", "[PATH...]", "write what pictures show as tags on their files: those at PATH, or that a query instead of it finds", _TAG, ("tags",), "tagging"),
    Verb("untag", "[PATH...]", "take away the tags that kadr wrote, at PATH or of what a query finds; yours stay", _UNTAG, ("tags",), "tagging"),
    Verb("tags", "FILE", "the tags of FILE, whose they are, and what kadr sees in it", ("json", *_ASK), ("tags",), "tagging"),
    Verb("add", "FOLDER...", "watch folders from now on", _WAIT, ("roots", "sync")),
    Verb("remove", "FOLDER...", "watch folders no longer; the pictures stay where they are", _ASK, ("roots",)),
    Verb("roots", "", "the watched folders", ("null", "json", *_ASK), ("roots",)),
    Verb("status", "", "how far the index is, and what could not be read", ("json", "watch", *_ASK)),
    Verb("rescan", "[PATH]", "look at PATH again, or at everything", _WAIT, ("rescan", "sync")),
    Verb("doctor", "", "what could be wrong, each with its remedy", ("json", "timeout")),
    Verb("verify", "", "compare the index with the disk, every byte of it", ("json", *_ASK), ("verify",)),
    Verb("pause", "", "index nothing for a while; questions are answered all the same", ("for", *_ASK), ("pause",), "pausing"),
    Verb("resume", "", "go on with indexing", _ASK, ("pause",), "pausing"),
    Verb("start", "", "start the daemon"),
    Verb("stop", "", "stop the daemon; nothing is lost"),
    Verb("service", "WHAT", "install, uninstall, status, logs, print: the daemon as a service that starts when you log in", home="service"),
    Verb("version", "", "the versions of client and daemon", ("no-start",)),
    Verb("desktop", "WHAT [NAME...]", "install, uninstall, status: kadr in file managers and shells; or show TEXT, similar FILE", ("json", "timeout", "no-start"), home="desktop.verb"),
    Verb("completions", "SHELL", "what bash, zsh or fish needs to complete kadr's words", home="completions"),
    Verb("manual", "", "the manual page: kadr manual | man -l -", home="manpage"),
)}
# fmt: on
