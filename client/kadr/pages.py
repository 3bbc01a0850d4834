"""The pages that people read: status, doctor, verify, roots. Bodies of replies in, lines of text out.

Pure: writes nothing. A key that an older daemon does not send is shown as zero or left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kadr.output import count, visible
from kadr.progress import span

FAILURES_SHOWN = 20


class Check(NamedTuple):
    """One thing that doctor looked at."""

    name: str
    ok: bool
    says: str
    act: str = ""
    here: bool = True
    """False: it has no object here, so it cannot be wrong"""
    root: bytes | None = None
    """the watched folder that it is about; None: none in particular"""


def status(body: dict[str, Any]) -> list[str]:
    """How far the index is, in plain words."""
    seen = _numbers(body)
    return _aligned(
        [
            (
                "daemon",
                f"{body.get('version', '?')}, running for {span(body.get('uptime_s', 0))}",
            ),
            ("model", f"{body.get('model', '?')}{_next_model(body)}"),
            *_folders(body.get("roots", [])),
            ("pictures", f"{seen['pictures']} in {count(body.get('files', 0), 'file')}"),
            ("waiting", f"{seen['pending']} to index, {seen['scanning']} folders to look at"),
            *_failures(body),
            ("work", f"{seen['encodes']} encoded, {seen['decodes']} decoded since the daemon started"),
            (
                "",
                f"{seen['full_scans']} full scans, {seen['overflows']} overflows, {seen['recoveries']} recoveries",
            ),
            (
                "memory",
                f"{body.get('rss_bytes', 0) / 2**20:,.0f} MiB, {count(body.get('shards', 0), 'shard')}",
            ),
            *_tags(body),
            *(("note", visible(str(warning))) for warning in body.get("warnings", [])),
        ]
    )


def _tags(body: dict[str, Any]) -> list[tuple[str, str]]:
    waiting, written = body.get("untagged", 0), body.get("tagged", 0)
    return (
        [("tags", f"of kadr's on {count(written, 'file')}, {waiting:,} files to look at")]
        if waiting or written
        else []
    )


def _numbers(body: dict[str, Any]) -> dict[str, str]:
    names = ("pictures", "pending", "scanning", "encodes", "decodes", "full_scans", "overflows", "recoveries")
    return {name: f"{body.get(name, 0):,}" for name in names}


def _next_model(body: dict[str, Any]) -> str:
    coming = body.get("next_model")
    if not coming:
        return ""
    return (
        f"; {coming.get('name')} is being prepared, {coming.get('done', 0):,} of {coming.get('total', 0):,}"
    )


def _folders(roots: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if not roots:
        return [("folders", "none yet. Add one: kadr add ~/Pictures")]
    return list(zip(["folders", *[""] * (len(roots) - 1)], map(root_line, roots), strict=True))


def root_line(root: dict[str, Any]) -> str:
    """One watched folder, for a terminal."""
    offline = "" if root.get("online", True) else "  (offline)"
    return f"{visible(root.get('path', b''))}  {count(root.get('files', 0), 'file')}{offline}"


def _failures(body: dict[str, Any]) -> list[tuple[str, str]]:
    listed = body.get("failures", [])
    total = int(body.get("failures_total", len(listed)))
    if not total:
        return []
    rows = [("not read", count(total, "file"))]
    rows += [("", f"{visible(f.get('path', b''))}  {_why(f)}") for f in listed[:FAILURES_SHOWN]]
    if total > FAILURES_SHOWN:
        rows.append(("", f"and {total - FAILURES_SHOWN:,} more: kadr status --json"))
    return rows


def _why(failure: dict[str, Any]) -> str:
    return visible(str(failure.get("sentence") or failure.get("reason", "")))


def doctor(checks: list[Check]) -> list[str]:
    """Every check, those of one folder under its path, and under a bad one what to do."""
    lines, root = [], None
    for check in checks:
        if check.root != root:
            root = check.root
            lines += ["", visible(root)] if root else []
        mark = "BAD" if not check.ok else "ok " if check.here else "-- "
        lines.append(f"{mark}  {check.name}: {visible(check.says)}")
        if not check.ok and check.act:
            lines.append(f"     -> {visible(check.act)}")
    return lines


def verify(body: dict[str, Any]) -> list[str]:
    """What was compared, and every problem."""
    compared = ", ".join(count(body.get(f"{noun}s", 0), noun) for noun in ("file", "picture", "vector"))
    head = f"{compared} compared in {span(body.get('took_ms', 0) / 1000)}"
    problems = body.get("problems", [])
    if body.get("ok"):
        return [f"{head}: everything is as it should be"]
    lines = [
        f"{head}: {count(body.get('problems_total', len(problems)), 'problem')}",
        *map(_problem, problems),
    ]
    if body.get("mended"):
        lines.append(f"{body['mended']:,} of them are being made good: ask again after kadr rescan")
    return lines


def _problem(problem: dict[str, Any]) -> str:
    where = f"{visible(problem['path'])}: " if "path" in problem else ""
    return f"  {problem.get('kind', '?')}  {where}{visible(str(problem.get('sentence', '')))}"


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]
