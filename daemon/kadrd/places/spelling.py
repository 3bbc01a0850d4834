"""How names of places are compared: a form for what is typed as it stands, and one for what is declined. Pure.

folding.stem is made for words, and takes names apart: Киев becomes ки, since it looks like a plural, while Киеве becomes
киев. So names have endings of their own here; what they leave only has to be the same in every case of one name.
"""

from __future__ import annotations

import re

from kadrd.store.folding import words

# Ukrainian letters as the Russian ones that stand in the same names; е and ё, г and ґ are one since folding.
_AS_RUSSIAN = str.maketrans({"і": "и", "ї": "и", "є": "е"})
# The longest of these goes that leaves two letters: Уфе is Уф-е, Нижнем Нижн-ем.
_CASE = re.compile(
    "(..+?)(?:ями|ами|ого|его|ому|ему|ыми|ими|ах|ях|ам|ям|ом|ем|ою|ею|ой|ей|ий|ый|ая|яя|ое|ее|ые|ие|ую|юю|ия|ию|ии"
    "|ых|их|ои|еи|ым|им|[аеиоуыэюяйь]?)"
)
# Харків is Харкова in the other cases, Київ Києва, Канів Канева.
_CHANGED = {"їв": ("єв",), "ів": ("ов", "ев")}
_LATIN = "abcdefghijklmnopqrstuvwxyz "
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяіїє "
_BEFORE = frozenset(
    [
        "в",
        "во",
        "у",
        "на",
        "в'in",
        "at",
        "of",
        "from",
        "near",
        "the",
        "під",
        "под",
        "біля",
        "около",
        "возле",
        "рядом",
        "до",
        "от",
        "від",
        "из",
        "з",
        "із",
        "з",
    ]
)


def key(text: str) -> str:
    """*text* as it is compared first: without case, accents, hyphens and apostrophes.

    >>> key("Нью-Йорк"), key("SAINT-Étienne"), key("Кам’янське")
    ('нью йорк', 'saint etienne', 'камянське')
    """
    return " ".join(words(text)).replace("'", "")


def declined(key: str) -> str:
    """What is the same in all cases of a name in Russian or Ukrainian letters; other words stay as they are.

    >>> declined("києві"), declined("киев"), declined("нижнем новгороде"), declined("york")
    ('киев', 'киев', 'нижн новгород', 'york')
    """
    return " ".join(_cut(word) for word in key.split())


def forms(key: str) -> set[str]:
    """Every `declined` form under which a name is found: more than one where its last vowel changes."""
    if key.isascii():
        return {key}
    for ending, others in _CHANGED.items():
        if key.endswith(ending):
            return {declined(key), *(declined(key.removesuffix(ending) + other) for other in others)}
    return {declined(key)}


def near(key: str) -> set[str]:
    """Every form that is one slip away from *key*: a letter too much, too few, another, or two changed places."""
    letters = _LATIN if key.isascii() else _CYRILLIC
    cuts = [(key[:place], key[place:]) for place in range(len(key) + 1)]
    return (
        {left + right[1:] for left, right in cuts if right}
        | {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
        | {left + letter + right[1:] for left, right in cuts if right for letter in letters}
        | {left + letter + right for left, right in cuts for letter in letters}
    )


def readings(key: str) -> list[set[str]]:
    """The forms to look for, best first, all of one set at once.

    Львове by itself is the village of that name, "во Львове" rather the city of Львов.

    >>> [sorted(forms) for forms in readings("в киеве")]
    [['в киеве'], ['в киев'], ['киев', 'киеве']]
    """
    first, _, rest = key.partition(" ")
    found = [{key}, {declined(key)}]
    return [*found, {rest, declined(rest)}] if rest and first in _BEFORE else found


def _cut(word: str) -> str:
    if word.isascii():
        return word
    found = _CASE.fullmatch(word.translate(_AS_RUSSIAN))
    return found[1] if found else word
