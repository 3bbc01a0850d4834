"""What may be said of a picture: captions, names of its label, word-by-word translations, in three languages.

Names come from ``words/concepts.tsv`` (key, en, ru, uk; the first form of a cell is the most exact one), word
translations from ``words/lexicon.tsv``. Pseudo captions are bags of translated words, not sentences: they teach which
words go with a picture and must never be shown to a person. Chance is always an argument.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kadrd.learn.corpus import LANGUAGES, Example, cells

WORDS = Path(__file__).parent / "words"
Forms = Mapping[str, tuple[str, ...]]

# Function words carry nothing a picture can show; they are left out of shortened and translated captions.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be been being of and or to at as it its his her their there this that these those"
        " he she they them him while who which some very has have had for from by",
    )
)
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "a photo of a {}",
        "a picture of a {}",
        "photo of {}",
        "{} in a photo",
        "a {}",
        "the {}",
        "some {}",
    ),
    "ru": ("фото {}", "на фото {}", "фотография {}", "картинка {}", "это {}", "здесь {}"),
    "uk": ("фото {}", "на фото {}", "світлина {}", "картинка {}", "це {}", "тут {}"),
}
TRANSLATED_SHARE = 0.5
TEMPLATE_SHARE = 0.25
EXACT_SHARE = 0.65


@dataclass(frozen=True)
class Words:
    """Names by key, translations by English word, ImageNet index by WordNet id."""

    names: Mapping[str, Forms]
    lexicon: Mapping[str, Forms] = field(default_factory=dict)
    wordnet: Mapping[str, str] = field(default_factory=dict)

    def key(self, label: str) -> str:
        """The concept of a label: ``wordnet:n01443537`` becomes ``imagenet:2``; unknown ones become empty."""
        kind, _, name = label.partition(":")
        if kind == "wordnet":
            label = f"imagenet:{self.wordnet[name]}" if name in self.wordnet else ""
        return label if label in self.names else ""

    def forms(self, key: str, lang: str) -> tuple[str, ...]:
        return self.names.get(key, {}).get(lang, ())


def read_words(folder: Path = WORDS) -> Words:
    names = read_forms(folder / "concepts.tsv")
    lexicon = {key.removeprefix("word:"): forms for key, forms in names.items() if key.startswith("word:")}
    if (folder / "lexicon.tsv").exists():
        lexicon |= read_forms(folder / "lexicon.tsv")
    with (folder / "wordnet.tsv").open(encoding="utf-8", newline="") as lines:
        wordnet = {row["wnid"]: row["imagenet_index"] for row in csv.DictReader(lines, delimiter="\t")}
    return Words(names, lexicon, wordnet)


def read_forms(tsv: Path) -> dict[str, Forms]:
    """First column -> language -> forms. A file whose first column is ``en`` is keyed by its English words."""
    found: dict[str, Forms] = {}
    with tsv.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            first = next(iter(row.values())) or ""
            forms = {lang: cells(row.get(lang)) for lang in LANGUAGES}
            for key in cells(first):
                found[key] = {lang: forms[lang] or ((key,) if lang == "en" else ()) for lang in LANGUAGES}
    return found


def say(example: Example, key: str, words: Words, lang: str, chance: random.Random) -> tuple[str, str]:
    """One text for the picture in that language and the name in it; empty ones where nothing can be said."""
    if example.captions and (not key or chance.random() < 0.8):
        return say_caption(example.captions, words, lang, chance), ""
    return say_name(words.forms(key, lang), lang, chance)


def say_name(forms: Sequence[str], lang: str, chance: random.Random) -> tuple[str, str]:
    """A name, bare or in a simple template, and the name itself."""
    if not forms:
        return "", ""
    name = forms[0] if chance.random() < EXACT_SHARE else chance.choice(forms)
    return chance.choice(TEMPLATES[lang]).format(name) if chance.random() < TEMPLATE_SHARE else name, name


def say_caption(captions: Forms, words: Words, lang: str, chance: random.Random) -> str:
    own = captions.get(lang, ())
    if lang == "en":
        caption = chance.choice(own) if own else ""
        return caption if chance.random() < 0.7 else shorten(caption, chance)
    if own and chance.random() < TRANSLATED_SHARE:
        return chance.choice(own)
    return pseudo(chance.choice(captions["en"]), words.lexicon, lang, chance) if captions.get("en") else ""


def shorten(caption: str, chance: random.Random, keep: float = 0.7) -> str:
    """The caption as people search: without function words, and with some of the others missing."""
    content = [word for word in split(caption) if word not in STOP_WORDS]
    return " ".join(word for word in content if chance.random() < keep) or " ".join(content)


def pseudo(
    caption: str, lexicon: Mapping[str, Forms], lang: str, chance: random.Random, keep: float = 0.85
) -> str:
    """The caption word by word in another language, in any of its forms; unknown words are left out.

    With ``{"dog": {"ru": ("собака",)}}`` the caption "A dog runs" gives "собака".
    """
    said = []
    parts = [word for word in split(caption) if word not in STOP_WORDS]
    at = 0
    while at < len(parts):
        size, forms = longest(parts, at, lexicon, lang)
        if forms and chance.random() < keep:
            said.append(forms[0] if chance.random() < 0.5 else chance.choice(forms))
        at += size
    return " ".join(said)


def longest(
    parts: Sequence[str], at: int, lexicon: Mapping[str, Forms], lang: str
) -> tuple[int, tuple[str, ...]]:
    """Two words that have a translation of their own go before one."""
    for size in (2, 1):
        text = " ".join(parts[at : at + size])
        if len(parts) >= at + size and (forms := lookup(text, lexicon).get(lang)):
            return size, forms
    return 1, ()


def lookup(word: str, lexicon: Mapping[str, Forms]) -> Forms:
    """The entry of a word or of its plain form: ``dogs`` finds ``dog``, ``running`` finds ``run``."""
    for form in (word, *plain(word)):
        if form in lexicon:
            return lexicon[form]
    return {}


def plain(word: str) -> list[str]:
    guesses = []
    for ending, instead in (
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ed", ""),
        ("ed", "e"),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stem = word[: -len(ending)]
            guesses.append(stem + instead)
            if not instead and len(stem) > 3 and stem[-1] == stem[-2]:
                guesses.append(stem[:-1])
    return guesses


def split(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
