"""The figures of quality, on vectors small enough to count by hand."""

import numpy as np
import pytest

from kadrd.learn.evaluate import first, main, precision_at, recall_at

PICTURES = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
CLASSES = ["ant", "ant", "bee", "cat"]
QUERIES = np.eye(4, dtype=np.float32)[[0, 1]]


def test_precision_is_the_mean_share_of_right_pictures():
    """The first query has two right among two, the second one of two."""
    assert precision_at(QUERIES, PICTURES, ["ant", "bee"], CLASSES, 2) == pytest.approx(0.75)


def test_recall_is_the_share_of_queries_that_find_their_picture():
    """A wanted picture counts where it is among the first k, and only there."""
    assert recall_at(QUERIES, PICTURES, [1, 2], 1) == pytest.approx(0.5)
    assert recall_at(QUERIES, PICTURES, [1, 2], 2) == pytest.approx(1.0)


def test_ties_go_to_the_lower_index():
    """Equal pictures come in their own order, so that a figure does not depend on the machine."""
    assert first(QUERIES[:1], PICTURES, 4).tolist() == [[0, 1, 2, 3]]


def test_fewer_pictures_than_asked_for_are_all_taken():
    """k above the number of pictures is no error."""
    assert recall_at(QUERIES, PICTURES, [3, 3], 10) == pytest.approx(1.0)


def test_the_command_prints_one_figure(tmp_path, capsys):
    """Arrays and labels from files give the same figure as the function."""
    np.save(tmp_path / "q.npy", QUERIES)
    np.save(tmp_path / "p.npy", np.repeat(PICTURES, 5, axis=0))
    (tmp_path / "wanted.txt").write_text("ant\nbee\n")
    (tmp_path / "classes.txt").write_text("".join(f"{name}\n" * 5 for name in CLASSES))
    assert main([str(tmp_path / name) for name in ("q.npy", "p.npy", "wanted.txt", "classes.txt")]) == 0
    assert capsys.readouterr().out == "P@5 1.0000\n"
