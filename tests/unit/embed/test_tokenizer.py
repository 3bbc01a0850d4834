"""Token numbers are open_clip's own."""

from pathlib import Path

import numpy as np
import pytest

from kadrd.embed.models import Model
from kadrd.embed.parity import SENTENCES
from kadrd.embed.tokenizer import Tokenizer, write_clip

STRINGS = (
    *SENTENCES,
    "",
    " ",
    "!",
    "?!... -- (a) [b] {c} #tag @name 50% $9.99 1/2",
    "I'll can't we've it's I'm they're he'd",
    "DON'T SHOUT",
    "snake_case and kebab-case and CamelCase",
    "2024-11-21T05:00:00Z",
    "x² + y² = z², ½ of ⅓",
    "\u201csmart\u201d \u2018quotes\u2019 — and dashes… – here",
    "caf\u00e9 cafe\u0301 na\u00efve \u00fcber stra\u00dfe",
    "\ufb01nal co\ufb00ee \u0132ssel",
    "\uff26\uff35\uff2c\uff2c width \uff5e",
    "😀 a cat 🐱 on a 🚲, 👨‍👩‍👧‍👦 family, 🇺🇦 flag, ❤️",
    "雪の中の赤い自転車",
    "雪地里的红色自行车。",
    "눈 속의 빨간 자전거",
    "ｶﾞｷﾞｸﾞ half width",
    "จักรยานสีแดง",
    "लाल साइकिल",
    "دراجة حمراء في الثلج",
    "אופניים אדומים",
    "κόκκινο ποδήλατο ΣΊΣΥΦΟΣ",
    "İstanbul IŞIK ığdır",
    "&lt;b&gt;bold&lt;/b&gt; &amp;amp; &quot;quoted&quot; &nbsp; &copy;",
    "<p>markup &amp; more</p>",
    "tab\there\nnew line\r\nreturn\u2028separator\u00a0space\u200bzero",
    "https://example.org/path?query=1&other=2#part",
    "IMG_20240131_123456.jpg",
    "supercalifragilisticexpialidocious",
    "a" * 300,
    "one two three four five six seven eight nine ten " * 20,
    "красный " * 100,
    "!" * 200,
    "word " * 75,
    "word " * 74,
    "word " * 76,
    "ёлка Ёлка ЁЖИК щука подъезд",
    "ґанок Ґанок їжак Їжак єнот п'ять п’ять",
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, object]:
    imports = pytest.importorskip("kadrd.embed.imports", reason="compares with open_clip's own tokenizer")
    original = imports.open_clip.get_tokenizer("ViT-B-32")
    path: Path = tmp_path_factory.mktemp("clip") / "tokenizer.json"
    write_clip(list(original.bpe_ranks), original.encoder, path)
    return Tokenizer(path, original.context_length, 0), original


@pytest.mark.torch
@pytest.mark.parametrize("text", STRINGS, ids=lambda text: ascii(text)[:40])
def test_tokens_are_those_of_open_clip(clip: tuple[Tokenizer, object], text: str) -> None:
    """Token for token, in every script, cut at the context."""
    ours, original = clip
    np.testing.assert_array_equal(ours.ids([text], padded=True), original([text]).numpy())  # type: ignore[operator]


@pytest.mark.torch
def test_a_long_text_keeps_its_end(clip: tuple[Tokenizer, object]) -> None:
    """However long the text, the row ends with the end token that the tower reads at."""
    ours, original = clip
    row = ours.ids(["snow " * 500], padded=False)[0]
    assert len(row) == 77
    assert row[-1] == original.eot_token_id  # type: ignore[attr-defined]


def _tiny(model: Model) -> Tokenizer:
    return Tokenizer(model.folder / "tokenizer.json", model.context, model.pad, model.clean)


def test_rows_are_as_long_as_the_longest(tiny_model: Model) -> None:
    """Without padding to the context a batch is as wide as its longest text, the rest is padding."""
    rows = _tiny(tiny_model).ids(["a", "a red cat"], padded=False)
    assert rows.shape == (2, 5)
    assert rows.dtype == np.int64
    assert list(rows[0, 3:]) == [0, 0]


def test_padded_rows_are_as_long_as_the_context(tiny_model: Model) -> None:
    """Towers that were trained on whole rows get whole rows."""
    assert _tiny(tiny_model).ids(["a", "red"], padded=True).shape == (2, tiny_model.context)


def test_truncation_keeps_start_and_end(tiny_model: Model) -> None:
    """A text longer than the context loses words, not its end token."""
    row = _tiny(tiny_model).ids(["cat " * 100], padded=False)[0]
    assert (len(row), row[0], row[-1]) == (16, 2, 3)


def test_no_texts_give_no_rows(tiny_model: Model) -> None:
    """An empty batch has no rows."""
    assert len(_tiny(tiny_model).ids([], padded=False)) == 0
