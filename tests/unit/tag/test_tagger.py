"""The thread that keeps tags: when it looks, and what it says when it cannot."""

import threading

import pytest

from kadr.protocol.errors import BadParameter
from kadrd.tag.tagger import Tagger

PATIENCE = 20.0


class Seam:
    """Files that wait, rules and a pause, as the test says; nothing of the catalogue ever changes."""

    def __init__(self):
        self.files, self.paused, self.wrong = [], False, None
        self.asked, self.tagged, self.called = threading.Event(), threading.Event(), threading.Event()

    def roots_waiting(self):
        self.called.set()
        return [1] if self.files else []

    def waiting(self, root_id, after, limit):
        files, self.files = self.files, []
        return files

    def tag(self, files, rules):
        self.tagged.set()

    def rules(self):
        if self.wrong:
            raise self.wrong

    def resting(self):
        if self.paused:
            self.asked.set()
        return self.paused


@pytest.fixture
def seam():
    return Seam()


@pytest.fixture
def tagger(seam):
    made = Tagger(seam, seam, seam.rules, lambda: 1, seam.resting)
    yield made
    made.stop()


class File:
    file_id = 1


def test_after_a_pause_it_looks_though_nothing_changed(seam, tagger):
    """Files that waited when indexing was paused get their tags when it goes on."""
    tagger.start()
    assert seam.called.wait(PATIENCE)
    seam.paused = True
    assert seam.asked.wait(PATIENCE)
    seam.files = [File()]
    seam.paused = False
    assert seam.tagged.wait(PATIENCE)


def test_rules_that_cannot_be_had_are_told(seam, tagger):
    """What is wrong with the words is said, and it goes on by itself when that is mended."""
    seam.wrong = BadParameter(why="words.txt cannot be read")
    seam.files = [File()]
    tagger.start()
    while "words.txt" not in tagger.trouble:
        pass
    assert not seam.tagged.is_set()
    seam.wrong = None
    assert seam.tagged.wait(PATIENCE)
