"""Any text is answered, or told where it is wrong: never another error, through the parser and through SQLite."""

import random

import pytest

from kadr.protocol.errors import EmptyQuery, QueryError
from kadr.protocol.prefixes import OPERATORS, PREFIXES
from kadrd.query.expression import Query, written
from kadrd.query.filters import condition
from kadrd.query.parse import parse
from kadrd.store import schema
from kadrd.store.facts import FactsTable
from kadrd.store.reader import Reader
from kadrd.store.selection import Selection
from kadrd.values import Facts, Place

NAMES = [word for row in PREFIXES for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split())]
VALUES = [row.example.partition(":")[2] for row in PREFIXES] + [
    word
    for row in PREFIXES
    for value in row.values
    for word in (value.name, *value.ru.split(), *value.uk.split())
]
OPERATOR_WORDS = [
    word for row in OPERATORS for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split())
]
ODD = [
    "(", ")", "((", "))", "-(", "- ", "+ ", "-", "+", ":", "::", '"', "«", "»", "“", "”", "„", "\\", '\\"', "|", "||", " ", "  ",
    "\n", "\t", "..", "...", "<", ">", "<=", ">=", "=", "*", "?", "[", "]", "{", "}", "^", "%", "_", "'", "’", ",", ";", "/",
    "./", "~/", "file://", "/a", "2:", "0.5:", "0:", ".5:", "1e9", "12:30", "\0", "\x1f", "\u200b", "\u202e", "\ufeff", "é",
    "e\u0301", "ß", "İ", "ẞ", "猫", "🚲", "👩‍👩‍👧", "\U0010ffff", "１２", "٣", "½", "ﬁ", "DROP TABLE", "--", "NULL", "cat", "кошка",
    "99999999999999999999", "0000", "9999-12-31", "9999weeks", "2023-02-29", "1/0", "-0", "nan", "inf", "90,180", "-90,-180",
    ",20040km", "camrea:", "тагг:", "saved:loop", "saved:beaches", "saved:nested",
]  # fmt: skip


def text(draw):
    """What a typist, a cat on the keyboard and a malicious program might send."""
    if draw.random() < 0.05:
        return "".join(
            chr(draw.choice((draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)))) for _ in range(30)
        )
    pieces = []
    for _ in range(draw.randint(1, 12)):
        kind = draw.random()
        if kind < 0.35:
            pieces.append(
                f"{draw.choice(NAMES)}:{draw.choice((*VALUES, *ODD))}{draw.choice(('', ' ', ' ', *ODD))}"
            )
        else:
            pieces.append(draw.choice(draw.choice((VALUES, ODD, OPERATOR_WORDS, NAMES))))
        pieces.append(draw.choice((" ", " ", "", "\n")))
    made = "".join(pieces)
    if draw.random() < 0.2:  # a slip
        at = draw.randrange(len(made))
        made = made[:at] + draw.choice(ODD) + made[at + draw.randint(0, 2) :]
    return made


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A catalogue of a few files, each with something to say."""
    path = str(tmp_path_factory.mktemp("fuzz") / "catalogue.sqlite")
    connection = schema.open_for_writing(path)
    connection.execute("INSERT INTO roots VALUES (1, x'2f', 1, 1, 1, NULL)")
    connection.execute("INSERT INTO folders (id, root_id, path) VALUES (1, 1, x'2f')")
    for id_ in (1, 2, 3):
        connection.execute("INSERT INTO pictures VALUES (?, ?, 4, 3, 'JPEG', NULL)", (id_, b"%d" % id_))
        connection.execute(
            "INSERT INTO files (id, folder_id, name, size, mtime_ns, ctime_ns, inode, state, ticket, picture_id) "
            "VALUES (?, 1, ?, 9, ?, 0, 0, 1, 0, ?)",
            (id_, b"%d\xff.jpg" % id_, id_ * 10**17, id_),
        )
    facts = Facts(
        1718409600,
        180,
        "Canon",
        "Canon EOS 5D",
        "50mm",
        "GIMP",
        800,
        2.8,
        0.004,
        50.0,
        50.45,
        30.52,
        150.0,
        1,
        5,
    )
    FactsTable(connection).put(1, facts, Place(1, "Kyiv", "Kyiv City", "Ukraine", ("Kyiv", "Київ")))
    FactsTable(connection).put(2, Facts(title="sunset", keywords=("holiday",), people=("Olena",)), None)
    connection.close()
    return Reader(path)


def asked(given, world):
    """The query, or what is wrong with it."""
    try:
        return parse(given, world)
    except (EmptyQuery, QueryError) as error:
        return error


def fuzz(count, reader, world):
    """How many were (a question, empty, a mistake)."""
    kinds = dict.fromkeys((Query, EmptyQuery, QueryError), 0)
    for seed in range(count):
        given = text(random.Random(seed))
        found = asked(given, world)
        kinds[type(found)] += 1
        if isinstance(found, QueryError):
            column, length = found.detail["column"], found.detail["length"]
            assert 0 <= column < column + length <= len(given), given
            assert found.sentence, given
            assert found.act, given
        elif isinstance(found, Query):
            assert found.operands or found.filters, given
            assert all(one.weight and (one.picture or one.text) for one in found.operands), given
            if found.filters:
                assert Selection(reader, *condition(found.filters)).listed("name", 9) is not None
                assert parse(written(found.filters), world).filters == found.filters, given
    return tuple(kinds.values())


def test_any_query_is_answered_or_told(reader, world):
    """Of 5,000 queries out of our words, odd characters and slips each is a question, is empty, or has a caret below its mistake."""
    questions, empty, mistakes = fuzz(5_000, reader, world)
    assert questions > 500
    assert empty > 10
    assert mistakes > 500


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_very_many_queries_are_answered_or_told(reader, world):
    """The same for 100,000."""
    assert sum(fuzz(100_000, reader, world)) == 100_000
