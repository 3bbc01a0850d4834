"""The words that may be written as tags: read from a file, checked, and how they are put to a model. Asks no model.

words.tsv holds ours. A file of the user's is either a table with the same columns, or one word a line in any language. Words of
such a list that ours know too borrow their translations and their place in the tree of words, so a Russian list works with an
English model. Ours stand beside every other list as rivals: among five words alone one always fits best, and none may be true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LANGUAGES = ("en", "ru", "uk")
COLUMNS = (*LANGUAGES, "parent", "also")

LONGEST = 64
"""characters of a word: a tag is no sentence, and IPTC keywords end there (IIM 4.2, dataset 2:25)"""

MOST = 20_000
"""words of a file; more would take a minute for every 100,000 pictures and hold no tags any more"""

BREAKING = ',;"|'
"""Programs that read tags break a word there: KDE and Caja at commas, LocalSearch at semicolons too, where it also takes away
quotation marks; Lightroom's hierarchies use the bar, and so does our own file."""

NEVER = "-"
"""Before a word: it is known, so that no other word is written in its place, and never written itself."""

_PROMPTS = {"en": "a {}", "ru": "{}", "uk": "{}"}


class BadVocabulary(ValueError):
    """A file of words cannot be used; the text is a sentence that names the file and the line."""


class Word(NamedTuple):
    """A word that may become a tag."""

    name: str
    """as its file says it first; who it is"""
    spoken: tuple[str, str, str]
    """in each of LANGUAGES; the name where it is not known"""
    also: tuple[str, ...] = ()
    """other English names"""
    plain: bool = False
    """whether its file has no languages: then it is written as it stands there"""

    def names(self, languages: Sequence[str]) -> tuple[str, ...]:
        """What is written for it in these of LANGUAGES, each spelling once.

        >>> builtin().words[0].names(["uk", "en"])
        ('людина', 'person')
        """
        if self.plain:
            return (self.name,)
        return tuple(dict.fromkeys(self.spoken[LANGUAGES.index(language)] for language in languages))


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their file."""

    words: tuple[Word, ...]
    parents: tuple[int, ...]
    """the number of the word that is true whenever this one is; -1 where there is none"""
    count: int
    """only the first so many words may be written, the others are rivals"""
    digest: str
    """of the file's bytes: other words are another vocabulary"""


def builtin() -> Vocabulary:
    """Our own words."""
    return read(Path(__file__).with_name("words.tsv"))


def read(path: str | Path) -> Vocabulary:
    """The words of a file. Raises BadVocabulary, also for a file that cannot be read."""
    try:
        return parse(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise BadVocabulary(f"{path} cannot be read: {error.strerror}") from None


def parse(data: bytes, place: str) -> Vocabulary:
    """The words in a file's bytes. Raises BadVocabulary, which calls the file *place*."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _bad(place, line, "is not UTF-8") from None
    lines = [
        (number, line.rstrip())
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.startswith("#")
    ]
    columns = lines[0][1].split("\t") if lines else []
    spelled = columns[:1] == ["en"]
    if spelled:
        if columns != list(COLUMNS[: len(columns)]):
            raise _bad(place, lines[0][0], f"names other columns than {', '.join(COLUMNS)}, in this order")
        del lines[0]
    if not 1 <= len(lines) <= MOST:
        raise BadVocabulary(f"{place} has {len(lines)} words, and from 1 to {MOST} can be used")
    rows = [(line, _cells(text, columns if spelled else ["en"], place, line)) for line, text in lines]
    # Words that are never written stand behind the others, whatever their place in the file.
    rows.sort(key=lambda row: "never" in row[1])
    words = tuple(_word(cells, plain=not spelled) for _, cells in rows)
    count = sum("never" not in cells for _, cells in rows)
    return Vocabulary(words, _parents(rows, place), count, hashlib.sha256(data).hexdigest())


def _cells(text: str, columns: list[str], place: str, line: int) -> dict[str, str]:
    never, cells = text.startswith(NEVER), [cell.strip() for cell in text.removeprefix(NEVER).split("\t")]
    if len(cells) > len(columns):
        raise _bad(place, line, f"has {len(cells)} columns instead of {len(columns)}")
    for cell in (cells[0], *filter(None, "|".join(cells[1:]).split("|"))):
        if wrong := _wrong(cell):
            raise _bad(place, line, wrong)
    return dict(zip(columns, cells, strict=False)) | ({"never": NEVER} if never else {})


def _word(cells: dict[str, str], *, plain: bool) -> Word:
    en, ru, uk = (cells.get(language) or cells["en"] for language in LANGUAGES)
    return Word(en, (en, ru, uk), tuple(filter(None, cells.get("also", "").split("|"))), plain)


def _wrong(text: str) -> str:
    if not text:
        return "has no word in its first column"
    if any(sign in BREAKING or not sign.isprintable() for sign in text):
        return f"has one of {' '.join(BREAKING)} or an invisible character in {text!r}, where other programs would break the tag"
    if len(text) > LONGEST:
        return f"has a word of {len(text)} characters, up to {LONGEST} can be used"
    return ""


def _parents(rows: Sequence[tuple[int, dict[str, str]]], place: str) -> tuple[int, ...]:
    """The parents' numbers; names are told apart here, and the tree of words is one."""
    numbers: dict[str, int] = {}
    for number, (line, cells) in enumerate(rows):
        if numbers.setdefault(cells["en"], number) != number:
            raise _bad(place, line, f"repeats {cells['en']!r} of line {rows[numbers[cells['en']]][0]}")
    parents = []
    for line, cells in rows:
        parent = cells.get("parent", "")
        if parent and parent not in numbers:
            raise _bad(place, line, f"has the parent {parent!r}, which is no word of the file")
        parents.append(numbers.get(parent, -1))
    for number, (line, cells) in enumerate(rows):
        above, passed = parents[number], {number}
        while above >= 0:
            if above in passed:
                raise _bad(place, line, f"makes {cells['en']!r} a kind of itself")
            passed.add(above)
            above = parents[above]
    return tuple(parents)


def _bad(place: str, line: int, what: str) -> BadVocabulary:
    return BadVocabulary(f"line {line} of {place} {what}")


def beside(own: Vocabulary, everyday: Vocabulary) -> Vocabulary:
    """*own*, with every word of *everyday* that it does not name behind it as a rival.

    What *everyday* has below a word that both have counts for it. A list of one column takes translations and parents from there too.
    """
    known = {text.casefold(): number for number, text in _names(everyday)}
    twins = [known.get(word.name.casefold(), -1) for word in own.words]
    place = {twin: number for number, twin in reversed(list(enumerate(twins))) if twin >= 0}
    rivals = [number for number in range(len(everyday.words)) if number not in place]
    place |= {number: len(own.words) + behind for behind, number in enumerate(rivals)} | {-1: -1}
    above = {number: place[everyday.parents[number]] for number in range(len(everyday.words))} | {-1: -1}
    words, parents = own.words, own.parents
    if own.words[0].plain:
        words = tuple(_lent(word, twin, everyday) for word, twin in zip(words, twins, strict=True))
        parents = tuple(above[twin] for twin in twins)
    return Vocabulary(
        words=words + tuple(everyday.words[number] for number in rivals),
        parents=parents + tuple(above[number] for number in rivals),
        count=own.count,
        digest=hashlib.sha256(f"{own.digest} {everyday.digest}".encode()).hexdigest(),
    )


def _names(everyday: Vocabulary) -> Iterator[tuple[int, str]]:
    """Every name that a word goes by, the dearer ones last."""
    for names in ("also", "spoken"):
        for number, word in enumerate(everyday.words):
            yield from ((number, text) for text in reversed(getattr(word, names)))


def _lent(word: Word, twin: int, everyday: Vocabulary) -> Word:
    return word if twin < 0 else everyday.words[twin]._replace(name=word.name, plain=True)


def phrases(vocabulary: Vocabulary, languages: Sequence[str]) -> list[str]:
    """The texts that a model with these *languages* is asked with: all words, rivals included, in one language after the other.

    `label.together` makes of their rows one for each word. A model is asked in all languages that it speaks: for mini that writes a
    sixth more at the same precision than English alone. English words stand in the form "a dog", that of the recorded vectors which
    the scale of CLIP comes from; to mini the form makes no difference.
    """
    asked = [one for one in LANGUAGES if one in languages or "mul" in languages] or ["en"]
    return [
        _PROMPTS[language].replace("{}", word.spoken[LANGUAGES.index(language)])
        for language in asked
        for word in vocabulary.words
    ]
