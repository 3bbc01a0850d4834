"""Words as they are compared: without case, accents and endings, one way for English, Russian and Ukrainian.

Whoever writes text into the catalogue and whoever looks for it goes through here. Pure. The only importer of
snowballstemmer. A change of what they give raises ingest/formats.py's FACTS: the catalogue holds what they gave.

`folded` is for whole values (a tag, a camera, a name): what looks the same is the same. `stems` is for text that is searched
by its words. Ukrainian has no Snowball stemmer; its letters are read as the Russian ones that stand in the same words
(і, ї, є, ґ as и, и, е, г), and the Russian stemmer takes the endings off both. That puts some different words together,
which costs a little precision and no recall; bench/words.py counts.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import snowballstemmer

# What Unicode's folding leaves apart and people do not: е and ё, г and ґ, the apostrophes.
_ALIKE = str.maketrans({"ё": "е", "ґ": "г", "’": "'", "ʼ": "'", "`": "'", "‘": "'"})
_AS_RUSSIAN = str.maketrans({"і": "и", "ї": "и", "є": "е", "'": ""})
# Accents of Latin and Greek letters; й and ї are letters of their own, and stay composed.
_ACCENT = re.compile(r"(?<=[a-zͰ-Ͽ])[\u0300-\u036f]+")
# A number stands by itself, so that IMG_2041 is found by 2041; so do the parts of sunSet-01.
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
_LATIN = re.compile(r"[a-z']+")
_CYRILLIC = re.compile(r"[\u0400-\u052f']+")
# кот must not find котёл.
LEAST_BEGINNING = 4
_ENGLISH, _RUSSIAN = snowballstemmer.stemmer("english"), snowballstemmer.stemmer("russian")


def folded(text: str) -> str:
    """*text* as it is compared: one case, no accents, single spaces.

    >>> folded("  Ёлка  CAFÉ ")
    'елка cafe'
    """
    apart = _ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return " ".join(unicodedata.normalize("NFKC", apart).translate(_ALIKE).split())


def words(text: str) -> list[str]:
    """The folded words of *text*, in order."""
    return _WORD.findall(folded(text))


def stems(text: str) -> list[str]:
    """The stems of the words of *text*, in order.

    >>> stems("Кошки на снегу, кішки"), stems("Dogs running")
    (['кошк', 'на', 'снег', 'кишк'], ['dog', 'run'])
    """
    return [stem(word) for word in words(text)]


def forms(text: str) -> list[str]:
    """The words of *text* whose stem is not the word itself, as one alphabet writes them."""
    return [_as_russian(word) for word in words(text) if stem(word) != _as_russian(word)]


def sought(word: str) -> str:
    """The FTS5 expression that finds the folded *word* with any ending.

    Snowball cuts names by what their ends look like (Киев to ки, Киеве to киев), so a Cyrillic stem finds the forms that
    begin with it too. English stems are sure, and `car` must not find carpets.

    >>> sought("dogs"), sought("киеве"), sought("2041")
    ('("dogs" OR "dog")', '("киеве" OR "киев" OR "киев"*)', '("2041")')
    """
    forms = [f'"{form}"' for form in dict.fromkeys((_as_russian(word), stem(word)))]
    if _CYRILLIC.fullmatch(word) and len(stem(word)) >= LEAST_BEGINNING:
        forms.append(f'"{stem(word)}"*')
    return f"({' OR '.join(forms)})"


def _as_russian(word: str) -> str:
    return word.translate(_AS_RUSSIAN)


@functools.lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of one folded word."""
    if _LATIN.fullmatch(word):
        return str(_ENGLISH.stemWord(word))
    return str(_RUSSIAN.stemWord(_as_russian(word))) if _CYRILLIC.fullmatch(word) else word
