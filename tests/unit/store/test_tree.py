"""What the catalogue says of folders and files, where a wrong word would cost a picture or a promise."""

import contextlib

import pytest

from kadrd.store.catalogue import Catalogue
from kadrd.values import Stat

STAT = Stat(1, 2, 3, 4)


@pytest.fixture
def tree(tmp_path):
    with contextlib.closing(Catalogue(str(tmp_path / "catalogue.sqlite"))) as made, made.transaction():
        yield made.tree


def root_ids(tree):
    return {root.path: root.id for root in tree.roots()}


def test_doubt_keeps_the_turn(tree):
    """A file that waits already keeps its turn when it is doubted, so that whoever waits for it is not told too early."""
    tree.add_root(b"/r", 1, 1)
    folder = tree.add_folder(root_ids(tree)[b"/r"], b"/r")
    tree.add_files(folder.id, [(b"a.jpg", STAT)])
    (before,) = tree.waiting(9)
    assert tree.doubt([before.path]) == 1
    assert [file.ticket for file in tree.waiting(9)] == [before.ticket]


def test_doubt_leaves_missing_files_alone(tree):
    """A file that is missing is not made to wait for being read."""
    tree.add_root(b"/r", 1, 1)
    folder = tree.add_folder(root_ids(tree)[b"/r"], b"/r")
    ids = tree.add_files(folder.id, [(b"a.jpg", STAT)])
    tree.files_gone(ids)
    assert tree.doubt([b"/r/a.jpg"]) == 0
    assert tree.waiting(9) == []


def test_folders_of_everything(tree):
    """Where all of the machine is one root, its folders lie in it, and files at its very top can be doubted."""
    tree.add_root(b"/", 1, 1)
    root = root_ids(tree)[b"/"]
    for _ in range(2):
        top = tree.add_folder(root, b"/")
        assert top.parent_id is None
    assert tree.add_folder(root, b"/home").parent_id == top.id
    tree.add_files(top.id, [(b"a.jpg", STAT)])
    assert tree.doubt([b"/a.jpg"]) == 1


@pytest.mark.parametrize(
    ("system", "online", "joins"), [(7, True, True), (7, False, False), (0, True, False), (8, True, False)]
)
def test_roots_below_a_new_one(tree, system, online, joins):
    """A root joins the one above it only when its disk is there and certainly the same."""
    tree.add_root(b"/r/c", system, 2)
    tree.set_online(root_ids(tree)[b"/r/c"], online)
    tree.add_root(b"/r", 7 if system != 0 else 0, 1)
    roots = {root.path: root for root in tree.roots()}
    assert (b"/r/c" not in roots) is joins
    assert joins or roots[b"/r/c"].inside == roots[b"/r"].id
