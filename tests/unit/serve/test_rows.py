"""Hits as rows: as many in a reply as it may hold, whatever stands in the files."""

from hypothesis import given
from hypothesis import strategies as st

from kadr.protocol import messages
from kadr.protocol.frames import encode
from kadr.protocol.messages import ROWS_A_REPLY, Hit, Item
from kadrd.serve.rows import replies, rows


def hit(number, tags=()):
    return Hit(b"/p/%d.jpg" % number, 0.5, "k", 4, 3, tags=list(tags))


@given(st.integers(0, 350))
def test_a_hundred_at_once(count):
    """Usual rows come by the hundred, each once and in order."""
    found = rows([hit(number) for number in range(count)])
    sent = list(replies(found))
    assert [row for reply in sent for row in reply] == found
    assert [len(reply) for reply in sent[:-1]] == [ROWS_A_REPLY] * (len(sent) - 1)


def test_heavy_rows_come_in_smaller_replies():
    """Files with thousands of letters of tags are all told of, whole, in replies that a client accepts."""
    found = rows([hit(number, ["ї" * 2000] * 20) for number in range(150)])
    sent = list(replies(found))
    assert [row for reply in sent for row in reply] == found
    for reply in sent:
        encode(messages.reply(2**63 - 1, Item(reply)))  # raises when it is too large


def test_a_row_that_is_too_much_by_itself():
    """A file with a megabyte of tags is shown with the first of them, among others that lose nothing."""
    found = rows([hit(1, ["sea"]), hit(2, ["ї" * 1999 + "x"] * 500), hit(3, ["sky"])])
    first, huge, last = (row for reply in replies(found) for row in reply)
    assert (first, last) == (found[0], found[2])
    assert 10 < len(huge["tags"]) < 500
    assert huge["path"] == b"/p/2.jpg"
