"""A search as it is saved: it means the same wherever it is asked."""

import pytest

from kadr.protocol.errors import EmptyQuery, QueryError
from kadrd.query.keeping import kept
from kadrd.query.parse import parse


@pytest.mark.parametrize(
    ("typed", "saved"),
    [
        ("beach in:.", 'beach in:"/home/me/Pictures"'),
        ("-in:./old  x", '-in:"/home/me/Pictures/old"  x'),
        ('в:"мои снимки"', 'в:"/home/me/Pictures/мои снимки"'),
        ("(in:a OR in:../b) rating:5", '(in:"/home/me/Pictures/a" OR in:"/home/me/b") rating:5'),
        ("./my.jpg + 2:../b.jpg - like:c.jpg", '"/home/me/Pictures/my.jpg" + 2:"/home/me/b.jpg" - like:"/home/me/Pictures/c.jpg"'),
        ('-"./a b.jpg" sea', '-"/home/me/Pictures/a b.jpg" sea'),
        ('like:"a \\"b\\".jpg"', 'like:"/home/me/Pictures/a \\"b\\".jpg"'),
        ("in:~/x in:~ in:/y like:~/z.jpg file:///w.jpg", "in:~/x in:~ in:/y like:~/z.jpg file:///w.jpg"),
        ('folder:old name:./ "in:."'.replace("./", "x"), 'folder:old name:x "in:."'),
    ],
)  # fmt: skip
def test_paths_become_whole(world, typed, saved):
    """Relative paths are kept as whole ones, everything else to the letter; what is saved asks for the same from anywhere."""
    assert kept(typed, world) == saved
    there, here = parse(saved, world._replace(cwd=b"/elsewhere")), parse(typed, world)
    assert there.operands == here.operands
    assert asked_by(there) == asked_by(here)


def asked_by(query):
    from kadrd.query.expression import filters_of

    return [one.tests for one in filters_of(query.filters)]


def test_without_a_folder(world):
    """A client that does not say where it is keeps what was typed."""
    assert kept("beach in:.", world._replace(cwd=b"")) == "beach in:."


def test_mistakes_are_told_when_it_is_saved(world):
    """What could never be asked is not saved."""
    with pytest.raises(QueryError):
        kept("lnes:50", world)
    with pytest.raises(EmptyQuery):
        kept("...", world)


def test_a_folder_that_is_no_text(world):
    """A saved search is text: a folder whose name is none is refused, at the path that starts from it."""
    with pytest.raises(QueryError, match="UTF-8") as caught:
        kept("beach in:.", world._replace(cwd=b"/caf\xe9"))
    assert (caught.value.detail["column"], caught.value.detail["length"]) == (6, 4)


def test_too_long_once_it_is_whole(world):
    """A text that whole paths make longer than a query may be is refused now, and not when it is asked."""
    with pytest.raises(QueryError, match="at most"):
        kept("in:a OR " * 40 + "in:a", world._replace(cwd=b"/" + b"x" * 250))
