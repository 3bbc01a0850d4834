"""What people type and what they see, in three languages: each transcript beside this file, through the real client and daemon.

A transcript is commands (`$ kadr ...`), what each prints, and remarks (`# ...`) and empty lines between them. A number in brackets is
an exit code other than 0. Run with KADR_TRANSCRIPTS=write to write what is printed now into the files; then read what changed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
LANGUAGES = ("en", "ru", "uk")
# A command with what stands below it, up to an empty line, a remark or the next command.
STEP = re.compile(r"^\$ (.+)\n((?:(?!\$ |# |\n).*\n)*)", re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_transcript(command: Any, language: str) -> None:
    """Every command of the transcript prints what is shown there, word for word."""
    file = HERE / f"{language}.txt"
    text = file.read_text(encoding="utf-8")
    assert len(STEP.findall(text)) >= 20
    printed = STEP.sub(lambda step: f"$ {step[1]}\n{_closed(command(step[1]))}", text)
    if os.environ.get("KADR_TRANSCRIPTS") == "write":
        file.write_text(printed, encoding="utf-8")
    assert printed == text


def _closed(printed: str) -> str:
    """What a command prints, without the empty lines in it: those separate steps."""
    return re.sub(r"\n\n+", "\n", printed)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_question_is_shown(language: str) -> None:
    """A reader of any of the languages meets each kind of question, answer and refusal."""
    commands = [step[0] for step in STEP.findall((HERE / f"{language}.txt").read_text(encoding="utf-8"))]
    for kind in ("--json", "--explain", "dups", "export", "save ", "saved", " - ", "(", '"'):
        assert any(kind in line for line in commands), kind
    assert not [line for line in commands if not line.startswith("kadr ")]
