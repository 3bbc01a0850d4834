"""What the user typed: words and pictures that rank, filters that choose, and mistakes with a caret below them."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.protocol.errors import EmptyQuery, QueryError, from_wire, to_wire
from kadr.protocol.prefixes import OPERATORS, PREFIXES
from kadrd.query import expression
from kadrd.query.expression import Filter, Not, Operand, Or, Query, filters_of, written
from kadrd.query.parse import MAX_DEPTH, MAX_FILTERS, MAX_OPERANDS, MAX_TEXT, condition_of, parse
from kadrd.store import functions

PREFIX = {row.name: row for row in PREFIXES}


def words(*texts):
    return tuple(Operand(1.0, text) for text in texts)


def ranks(text, world):
    """(weight, words or path) of each operand."""
    return [(one.weight, one.text or one.picture) for one in parse(text, world).operands]


def filters(text, world):
    found = parse(text, world).filters
    return "" if found is None else written(found)


# Words


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "...", "?!", "\u00a0", ":)", "(!)"])
def test_nothing_to_look_for(text, world):
    """A query without a letter, digit or sign of its own is refused."""
    with pytest.raises(EmptyQuery):
        parse(text, world)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("red  bicycle\n", "red bicycle"),
        (" кошка ", "кошка"),
        ("e\u0301", "\u00e9"),
        ("猫", "猫"),
        ("🚲", "🚲"),
        ("7", "7"),
        ("Re:zero", "Re:zero"),
        ("http://example.org/a", "http://example.org/a"),
        ("12:30", "12:30"),
        ("a 16:9 poster", "a 16:9 poster"),
        ("hello :) sad :(", "hello :) sad :("),
        ("a cat (black)", "a cat black"),
        ("((a cat) sat) NOT here", "a cat sat NOT here"),
        ("rock & roll", "rock & roll"),
        ("ROCK AND ROLL", "ROCK AND ROLL"),
        ("dog or cat", "dog or cat"),
        ("this is NOT a cat", "this is NOT a cat"),
        ("well-known 5\" x 7' print", "well-known 5\" x 7' print"),
        ("black / white", "black / white"),
        ("и/или И снова", "и/или И снова"),
    ],
)
def test_words(text, wanted, world):
    """White space is one blank, letters are composed, and what only looks like our signs stays a word."""
    assert parse(text, world) == Query(words(wanted))


@given(st.text(max_size=200))
def test_any_text(world, text):
    """Any text is a query, or is empty, or has a mistake whose place lies in it."""
    try:
        query = parse(text, world)
    except EmptyQuery:
        return
    except QueryError as error:
        column, length = error.detail["column"], error.detail["length"]
        assert 0 <= column < column + length <= len(text)
        return
    assert query.operands or query.filters


def test_words_stand_together(world):
    """Words are one operand wherever they stand between filters: `red camera:x bicycle` is a red bicycle."""
    query = parse("red camera:canon bicycle rating:5 in snow", world)
    assert query.operands == words("red bicycle in snow")
    assert query.words == "red bicycle in snow"


def test_phrases(world):
    """Words in quotes are words, and are kept as a phrase for the search by words; typographic quotes will do."""
    query = parse('cat "red sofa" «на снегу» -"old dog"', world)
    assert query.operands == (Operand(1.0, "cat red sofa на снегу"), Operand(-1.0, "old dog"))
    assert query.phrases == ("red sofa", "на снегу")
    assert parse('"camera:old" "OR"', world) == Query(words("camera:old OR"), ("camera:old", "OR"))


# Signs, weights and pictures, as rclip has them


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("horse + stripes", [(1, "horse"), (1, "stripes")]),
        ("horse - grass field + zebra", [(1, "horse"), (-1, "grass field"), (1, "zebra")]),
        ("- dog", [(-1, "dog")]),
        ("beach -people -palm", [(1, "beach"), (-1, "people"), (-1, "palm")]),
        ("beach -people sunset", [(1, "beach sunset"), (-1, "people")]),
        ("2:cat on sofa", [(2, "cat on sofa")]),
        ("cat 0.5:dog - .25:bird", [(1, "cat"), (0.5, "dog"), (-0.25, "bird")]),
        ("2: cat", [(2, "cat")]),
        ("1.:cat", [(1, "cat")]),
        ('2:"red car"', [(2, "red car")]),
        ("- people camera:canon beach", [(1, "beach"), (-1, "people")]),
        ("- (red car)", [(-1, "red car")]),
        ("tag:a AND beach", [(1, "beach")]),
        ("./a.jpg", [(1, b"/home/me/Pictures/a.jpg")]),
        ("../a.jpg in snow", [(1, "in snow"), (1, b"/home/me/a.jpg")]),
        ("~/a.jpg + 2:/b/c.png", [(1, b"/home/me/a.jpg"), (2, b"/b/c.png")]),
        ('beach - "/tmp/my dog.jpg"', [(1, "beach"), (-1, b"/tmp/my dog.jpg")]),
        ("file:///tmp/my%20dog.jpg", [(1, b"/tmp/my dog.jpg")]),
        ("file://localhost/tmp/%FF.jpg", [(1, b"/tmp/\xff.jpg")]),
        ("like:~/a.jpg", [(1, b"/home/me/a.jpg")]),
        (
            'beach -like:"/a b.jpg" 3:like:c.jpg',
            [(1, "beach"), (-1, b"/a b.jpg"), (3, b"/home/me/Pictures/c.jpg")],
        ),
        ("похоже:/a.jpg", [(1, b"/a.jpg")]),
    ],
)
def test_operands(text, wanted, world):
    """Signs add and take away, weights weigh what follows, and what begins like a path is a picture file."""
    assert ranks(text, world) == wanted


# Filters


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tag:a tag:b", "tag:a tag:b"),
        ("tag:a AND tag:b И tag:c", "tag:a tag:b tag:c"),
        ("tag:a tag:b OR tag:c", "tag:a tag:b OR tag:c"),
        ("tag:a|tag:b || tag:c ИЛИ tag:d АБО tag:e", "tag:a OR tag:b OR tag:c OR tag:d OR tag:e"),
        ("(tag:a OR tag:b) tag:c", "(tag:a OR tag:b) tag:c"),
        ("beach tag:a OR tag:b", "tag:a OR tag:b"),
        ("-tag:a NOT tag:b НЕ tag:c - tag:d ! tag:e", "-tag:a -tag:b -tag:c -tag:d -tag:e"),
        ("-(tag:a tag:b) NOT (tag:c OR tag:d)", "-(tag:a tag:b) -(tag:c OR tag:d)"),
        ("-(-tag:a) NOT -tag:b", "tag:a tag:b"),
        ("((tag:a))", "tag:a"),
        ("+ tag:a", "tag:a"),
        ("CAMERA:Canon", "camera:Canon"),
        ('камера:"Canon EOS 5D" об’єктив:50', 'camera:"Canon EOS 5D" lens:50'),
        ("near:“New York”,5km", 'near:"New York,5km"'),
        ("name:IMG(1).jpg", 'name:"IMG(1).jpg"'),
        (r'tag:"say \"cheese\" \\o/"', r'tag:"say \"cheese\" \\o/"'),
        ("saved:best tag:x", "rating:>=4 -tag:holiday tag:x"),
        ("-saved:best OR saved:nested", "-(rating:>=4 -tag:holiday) OR rating:>=4 -tag:holiday has:gps"),
    ],
)
def test_filters(text, wanted, world):
    """Blanks are AND, which binds closer than OR; a minus negates; parentheses group; quotes keep blanks."""
    assert filters(text, world) == wanted
    assert parse(wanted, world).filters == parse(text, world).filters


def test_saved_searches(world):
    """A saved search is as if its text stood there: what ranks in it ranks, what filters in it filters."""
    query = parse("sunset saved:beaches", world)
    assert ranks("sunset saved:beaches", world) == [(1, "sunset"), (1, "beach"), (2, "sea golden sand")]
    assert (query.phrases, filters("sunset saved:beaches", world)) == (("golden sand",), "rating:>=4")


@pytest.mark.parametrize("row", PREFIXES, ids=lambda row: row.name)
def test_every_word_of_a_filter(row, world):
    """The example of each filter is understood, and is the same under each of its words in three languages, in any case."""
    value = row.example.partition(":")[2]
    wanted = parse(row.example, world) if row.kind != "saved" else parse("saved:best", world)
    assert row.kind in {"picture", "saved"} or [one.name for one in filters_of(wanted.filters)] == [row.name]
    for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split()):
        for form in (word, word.upper(), word.title()):
            assert parse(f"{form}:{value}", world) == wanted


@pytest.mark.parametrize(
    ("row", "value"), [(row, value) for row in PREFIXES for value in row.values], ids=lambda one: one.name
)
def test_every_word_of_a_value(row, value, world):
    """A named value is the same in three languages."""
    (wanted,) = filters_of(parse(f"{row.name}:{value.name}", world).filters)
    for word in (*value.also.split(), *value.ru.split(), *value.uk.split()):
        (found,) = filters_of(parse(f"{row.name}:{word.upper()}", world).filters)
        assert found.tests == wanted.tests


def test_no_word_means_two_things():
    """A word stands for one filter, and for one value of it."""
    for rows in (PREFIXES, OPERATORS, *(row.values for row in PREFIXES)):
        said = [{row.name, *row.also.split(), *row.ru.split(), *row.uk.split()} for row in rows]
        assert sum(map(len, said)) == len(set().union(*said))


# Mistakes


@pytest.mark.parametrize(
    ("text", "caret", "sentence", "act"),
    [
        ("beach near:Kyvi,20km", "near:Kyvi,20km", "near: wants a place", "near:Kyiv,20km?"),
        ("place:Kyvi", "place:Kyvi", "no place of this name", "place:Kyiv?"),
        ("cat camrea:canon", "camrea:", "camrea: is no filter", "camera:?"),
        ("-tga:x", "-tga:", "tga: is no filter", "tag:?"),
        ("камеа:canon", "камеа:", "камеа: is no filter", "камера:?"),
        ("taken:sumer", "taken:sumer", "taken: wants a date", "taken:summer?"),
        ('taken:"sumer 2023"', 'taken:"sumer 2023"', "taken: wants a date", 'taken:"summer 2023"?'),
        ("снято:летто", "снято:летто", "taken: wants a date", "taken:лето?"),
        ("taken:2023-02-30", "taken:2023-02-30", "there is no day 2023-02-30", "For instance"),
        ("taken:2024..2020", "taken:2024..2020", "ends before it begins", "taken:2020..2024?"),
        ("taken:..", "taken:..", "taken: wants a date", "For instance"),
        ("iso:many", "iso:many", "iso: wants a number", "iso:>800"),
        ("iso:800..100", "iso:800..100", "ends before it begins", "iso:100..800?"),
        ("size:2parsecs", "size:2parsecs", "size: wants a number", "size:>2M"),
        ("exposure:1/0", "exposure:1/0", "divided by 0", "For instance"),
        ("has:gsp", "has:gsp", "has: wants one of gps", "has:gps?"),
        ("format:jpg,pgn", "format:jpg,pgn", "format: wants", "format:jpg,png?"),
        ("orientation:round", "orientation:round", "portrait, landscape or square", "For instance"),
        ("near:95,30", "near:95,30", "latitude is from -90 to 90", "For instance"),
        ("near:Kyiv,0km", "near:Kyiv,0km", "a distance is more than 0", "For instance"),
        ("name:a/b", "name:a/b", "a name has no / in it", "For instance"),
        ("tag:", "tag:", "tag: wants a tag", "For instance: tag:holiday"),
        ("camera: canon", "camera:", "camera: wants", "Leave no blank behind the colon"),
        ('text:"..."', 'text:"..."', "text: wants a word", "For instance"),
        ("tag:a OR beach", "OR", "Words rank, they cannot be alternatives", "Ask twice"),
        ("cat | dog", "|", "Words rank, they cannot be alternatives", "Ask twice"),
        ("OR tag:a", "OR", "OR has to stand between two filters", "small letters"),
        ("tag:a OR", "OR", "OR has to stand between two filters", "small letters"),
        ("tag:a OR OR tag:b", "OR", "OR has to stand between two filters", "small letters"),
        ("(beach tag:a) OR tag:b", "beach", "Words rank, they are no filters", "outside"),
        ("-(red car)", "red", "Words rank, they are no filters", "outside"),
        ("(tag:a", "(", "not closed", "Close it"),
        ("tag:a)", ")", "closes nothing", "Leave it out"),
        ("()", "(", "Nothing stands in this parenthesis", "Put filters in it"),
        ('cat "red', '"', "This quote is not closed", "Close it"),
        ('tag:"a', '"', "This quote is not closed", "Close it"),
        ("beach +", "+", "Nothing stands behind it", "have to follow"),
        ("beach - ...", "-", "Nothing stands behind it", "have to follow"),
        ("2:", "2:", "Nothing stands behind it", "have to follow"),
        ("2:tag:a", "2:", "Nothing stands behind it", "have to follow"),
        ("0:cat", "0:", "A weight is more than 0", "minus"),
        ("saved:nothing", "saved:nothing", "There is no saved search nothing", "kadr saved"),
        ("saved:loop", "saved:loop", "leads back to itself", "kadr save"),
        ("saved:wrong", "saved:wrong", "In the saved search wrong: iso: wants", "iso:>800"),
        ("saved:empty", "saved:empty", "is empty", "kadr save"),
        ("-saved:beaches", "-saved:beaches", "it can be no filter", "Write here"),
        ("(saved:beaches)", "saved:beaches", "it can be no filter", "Write here"),
        ("saved:beaches OR tag:a", "saved:beaches", "it can be no filter", "Write here"),
        ("in:a\0b", "in:a\0b", "only a whole path", "in:~/Pictures"),
    ],
)
def test_mistakes(text, caret, sentence, act, world):
    """A mistake is told with its place in the text, what is wrong, and what would be right."""
    with pytest.raises(QueryError) as caught:
        parse(text, world)
    error = caught.value
    column, length = error.detail["column"], error.detail["length"]
    assert error.detail["text"][column : column + length] == caret
    assert column == text.index(caret)
    assert sentence in error.sentence
    assert act in error.act
    assert error.exit_code == 2


def test_a_mistake_survives_the_wire(world):
    """The client gets sentence, act and the place of the mistake."""
    with pytest.raises(QueryError) as caught:
        parse("cat camrea:canon", world)
    given_ = from_wire(to_wire(caught.value))
    assert type(given_) is QueryError
    assert (given_.sentence, given_.act) == (caught.value.sentence, caught.value.act)
    assert given_.detail == {"text": "cat camrea:canon", "column": 4, "length": 7}


@pytest.mark.parametrize(
    "text",
    [
        " ".join(["tag:a"] * (MAX_FILTERS + 1)),
        " ".join(["+ cat"] * (MAX_OPERANDS + 1)),
        "(" * (MAX_DEPTH + 1) + "tag:a" + ")" * (MAX_DEPTH + 1),
        "(" * 5000 + "tag:a",
        "x" * (MAX_TEXT + 1),
        "NOT " * 2000 + "tag:a OR",
        "\ud800",
    ],
    ids=["filters", "operands", "depth", "open", "length", "not", "surrogate"],
)
def test_too_much(text, world):
    """A query that would cost too much, or is no text, is a mistake like others."""
    with pytest.raises(QueryError):
        parse(text, world)


def test_saved_searches_that_grow(world):
    """Saved searches that hold each other many times over end as a mistake, and soon."""
    kept = {str(number): f"saved:{number + 1} " * 50 for number in range(12)} | {"12": "cat"}
    with pytest.raises(QueryError, match="operands"):
        parse("saved:0", world._replace(saved=kept.get))
    chain = {str(number): f"saved:{number + 1}" for number in range(5000)}
    with pytest.raises(QueryError, match="too far"):
        parse("saved:0", world._replace(saved=chain.get))


def test_no_path_without_a_folder(world):
    """Where nobody says which folder is meant, only a whole path is understood."""
    nowhere = world._replace(cwd=b"", home=b"")
    for text in ("in:a", "in:~/a", "./a.jpg", "like:a.jpg"):
        with pytest.raises(QueryError, match="only a whole path"):
            parse(text, nowhere)
    assert parse("in:/a/../b//c/.", nowhere).filters.tests[0].path == b"/b/c"


def test_condition_of(world):
    """The filters of a text as SQL; a text without any holds for everything."""
    assert condition_of("", world) == ("", ())
    assert condition_of("iso:>800", world) == ("facts.iso > ?", (800.0,))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("iso:>800 beach", "beach"),
        ('iso:>800 "red car"', '"red car"'),
        ("tag:a like:b.jpg", "like:b.jpg"),
        ("tag:a - ./b.jpg", "-"),
        ("saved:beaches", "saved:beaches"),
    ],
)
def test_words_where_nothing_ranks(world, text, wrong):
    """What would be ignored, since nothing is ranked, is refused where it stands."""
    with pytest.raises(QueryError, match="Words rank") as caught:
        condition_of(text, world)
    detail = caught.value.detail
    assert text[detail["column"] :][: detail["length"]] == wrong


def test_written_is_what_is_meant():
    """An OR below an AND is written with its parentheses."""
    one, two = (Filter("tag", name, ()) for name in "ab")
    assert written(Not(Or((one, Not(two))))) == "-(tag:a OR -tag:b)"


@pytest.mark.parametrize("module", [expression, functions], ids=lambda module: module.__name__)
def test_docstrings_are_true(module):
    """Examples in docstrings give what they show."""
    assert doctest.testmod(module).attempted
    assert doctest.testmod(module).failed == 0
