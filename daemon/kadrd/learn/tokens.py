"""Trains the built-in model's tokenizer: byte pair merges over the training texts of all three languages.

Ids: padding 0, unknown 1, start 2; the end has the highest id, because the text tower reads its vector where the id
is greatest. This module must not know how texts are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"
CONTEXT = 32
VOCABULARY = 12_000


def learn(texts: Iterable[str], vocabulary: int = VOCABULARY, context: int = CONTEXT) -> Tokenizer:
    """A tokenizer that adds start and end and cuts at ``context``; ``encode("Ёлка").ids`` ends with the highest id."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, end_of_word_suffix="</w>", fuse_unk=True))
    tokenizer.normalizer = normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 1,
        min_frequency=2,
        special_tokens=[PAD, UNKNOWN, START],
        end_of_word_suffix="</w>",
        limit_alphabet=200,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END])
    ids = [(name, tokenizer.token_to_id(name)) for name in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    tokenizer.enable_truncation(context)
    return tokenizer


def normalizer() -> normalizers.Normalizer:
    """One spelling for what people type in several ways; marks and punctuation say nothing about a picture."""
    return normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace("ё", "\u0435"),  # people type both
            normalizers.Replace(Regex("[\u2019\u02bc\u2018\u0060]"), "'"),
            normalizers.Replace(Regex(r"\p{M}+"), ""),
            normalizers.Replace(Regex(r"[^\p{L}\p{N}']+"), " "),
            normalizers.Strip(),
        ]
    )


def load(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))
