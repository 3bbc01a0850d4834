"""The verbs of tags: what is asked for, that a person is asked first, what is said, which exit code."""

import json
import os

import pytest

from kadr.protocol.messages import End, Item, Progress, Tag, Tags, Untag

ADDED = {
    "path": b"/p/a.jpg",
    "carrier": "xattr",
    "added": ["beach", "sea"],
    "removed": [],
    "tags": ["mine", "beach", "sea"],
}
LEFT = {"path": b"/p/b.jpg", "carrier": "embedded", "refused": "shared", "sentence": "It has several names."}
BODY = {"files": 3, "written": 1, "added": 2, "removed": 0, "refused": 1}
NOTHING = {"files": 3, "written": 0, "added": 0, "removed": 0, "refused": 0}


@pytest.fixture
def tagger(daemon):
    daemon.on("tag", Progress("tags", 0, 3), Item([ADDED, LEFT]), End(BODY))
    daemon.on(
        "untag", Item([ADDED | {"added": [], "removed": ["beach"]}]), End(BODY | {"added": 0, "removed": 1})
    )
    return daemon


def test_nobody_is_there_to_be_asked(tagger, kadr):
    """Without --yes and without a terminal nothing is sent, and the sentence says what to write."""
    ran = kadr("tag", "/")
    assert ran.code == 2
    assert "--dry-run" in ran.err
    assert tagger.requests == []


def test_dry_run(tagger, kadr):
    """--dry-run shows each file and a sum, and asks for a trial only."""
    ran = kadr("tag", "--dry-run", "--write", "xattr,embedded", "--threshold", "0.7", "/")
    assert ran.code == 0
    assert tagger.requests == [
        Tag([b"/"], write=["xattr", "embedded"], threshold=0.7, trial=True, cwd=os.getcwdb())
    ]
    assert ran.out == b"/p/a.jpg  +beach, +sea  (xattr)\n! /p/b.jpg  (It has several names.)\n"
    assert "extended attributes of 1 picture would get tags" in ran.err
    assert "1 picture left alone: It has several names." in ran.err


def test_yes(tagger, kadr):
    """--yes writes without a question."""
    ran = kadr("tag", "--yes", "sunset", "camera:canon")
    assert ran.code == 0
    (request,) = tagger.requests
    assert (request.text, request.paths, request.trial) == ("sunset camera:canon", [], False)
    assert "extended attributes of 1 picture got tags" in ran.err


def test_disks_that_are_away(daemon, kadr):
    """Pictures on a disk that is away keep what they carry, and that is said."""
    daemon.on("untag", End(BODY | {"away": 2}))
    assert "2 pictures on disks that are away" in kadr("untag", "--yes", "--all").err


def test_json(tagger, kadr):
    """--json gives one object a line."""
    ran = kadr("tag", "--yes", "--json", "/")
    assert [json.loads(line)["carrier"] for line in ran.out.splitlines()] == ["xattr", "embedded"]


def test_nothing_to_do_is_no_failure(daemon, kadr):
    """Files that carry their tags already are a success; no file at all is none."""
    daemon.on("tag", End(NOTHING))
    ran = kadr("tag", "--yes", "/")
    assert (ran.code, ran.err) == (0, "kadr: nothing to write: 3 picture files looked at\n")
    daemon.replace("tag", End(NOTHING | {"files": 0}))
    assert kadr("tag", "--yes", "/").code == 1


def test_untag(tagger, kadr):
    """untag wants files or --all, and never both."""
    assert kadr("untag", "--yes").code == 2
    assert kadr("untag", "--yes", "--all", "/").code == 2
    assert kadr("untag", "--yes", "--all").code == 0
    assert tagger.requests == [Untag(all=True, cwd=os.getcwdb())]


@pytest.mark.parametrize(
    "words", [("--write", "stone"), ("--threshold", "2"), ("--threshold", "much"), ("--vocab",)]
)
def test_usage(tagger, kadr, words):
    """What makes no sense is told before anything is asked."""
    assert kadr("tag", "--yes", *words).code == 2
    assert tagger.requests == []


def test_tags_of_a_file(daemon, kadr, tmp_path):
    """tags shows the tags of a file, one a line for programs."""
    body = {
        "path": b"/p/a.jpg",
        "tags": [{"tag": "mine", "whose": "yours", "in": ["xattr"]}, {"tag": "beach", "whose": "kadr", "in": ["xattr"]}],
        "suppressed": ["dog"],
        "seen": [{"label": "beach", "score": 0.91}],
    }  # fmt: skip
    daemon.on("tags", End(body))
    ran = kadr("tags", "/p/a.jpg")
    assert (ran.code, ran.out) == (0, b"mine\nbeach\n")
    assert daemon.requests == [Tags(b"/p/a.jpg")]
    assert json.loads(kadr("tags", "--json", "/p/a.jpg").out)["suppressed"] == ["dog"]
