"""Words to token numbers, equal to open_clip's token for token.  The only importer of `tokenizers`.

Must not know towers or models: it is given a file and three settings.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from kadrd.embed.clean import CLEANERS
from kadrd.embed.errors import ModelError


class Tokenizer:
    """One `tokenizer.json`, ready to use from any thread."""

    def __init__(self, path: Path, context: int, pad: int, clean: str = "lower") -> None:
        """Reads `path`.  `context` is the longest row in tokens, `pad` the number that fills rows.

        `clean` names one of `clean.CLEANERS`.  Raises ModelError where the file is not a tokenizer.
        """
        self._backend = _read(path)
        self._backend.no_padding()
        self._backend.enable_truncation(max_length=context)
        self._context, self._pad, self._clean = context, pad, CLEANERS[clean]

    def ids(self, texts: Sequence[str], padded: bool) -> NDArray[np.int64]:
        """Rows of token numbers, shape (n, length).

        Every row keeps its end token however long the text is.  `padded`: the length is the whole context;
        otherwise that of the longest row, for towers where what follows the end token changes nothing.
        """
        rows = [self._backend.encode(self._clean(text)).ids for text in texts]
        length = self._context if padded else max(map(len, rows), default=1)
        out = np.full((len(rows), max(length, 1)), self._pad, dtype=np.int64)
        for line, row in zip(out, rows, strict=True):
            line[: len(row)] = row
        return out


def padding_of(path: Path) -> int | None:
    """The number that a `tokenizer.json` itself names for padding, or None.  Raises ModelError."""
    backend = _read(path)
    if backend.padding:
        return int(backend.padding["pad_id"])
    found = [backend.token_to_id(name) for name in ("<pad>", "[PAD]")]
    return next((number for number in found if number is not None), None)


def write_clip(merges: Sequence[tuple[str, str]], vocabulary: dict[str, int], into: Path) -> None:
    """Writes the `tokenizer.json` of CLIP's byte-pair encoding from its merges and its vocabulary."""
    backend = Backend(models.BPE(vocab=vocabulary, merges=list(merges), end_of_word_suffix="</w>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = "<start_of_text>", "<end_of_text>"
    backend.add_special_tokens([start, end])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])],
    )
    backend.save(str(into))


# Letters together, digits one by one, the rest together, English endings apart: CLIP's published rule.
_CLIP_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


def _read(path: Path) -> Backend:
    try:
        return Backend.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for every kind of bad file
        raise ModelError(
            f"{path} is not a tokenizer that can be read ({error}).",
            "Add the model again with `kadrd model add`.",
        ) from error
