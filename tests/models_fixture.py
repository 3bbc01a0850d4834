"""A tiny model for tests: two random OpenVINO towers and a word-level tokenizer, made in milliseconds.

Its picture vector depends on colours and where they are, its text vector on the words and not on padding.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from kadrd.embed.models import Model, seal
from kadrd.embed.runtime import openvino

WORDS = (
    "a",
    "red",
    "green",
    "blue",
    "bicycle",
    "cat",
    "snow",
    "in",
    "the",
    "красный",
    "кошка",
    "червоний",
    "сніг",
)
PAD, UNKNOWN, START, END = range(4)
CONTEXT = 16


def facts(name: str, dimension: int, size: int) -> dict[str, Any]:
    """What the model's `model.json` says."""
    return {
        "name": name,
        "source": "made for tests",
        "licence": "Apache-2.0",
        "dimension": dimension,
        "image": {"size": size, "resize": "shortest", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]},
        "text": {"context": CONTEXT, "causal": True, "pad": PAD, "clean": "lower"},
        "logit_scale": 10.0,
        "logit_bias": 0.0,
        "languages": ["en", "ru", "uk"],
        "precision": {"image": "fp32", "text": "fp32"},
        "parity": {},
    }


def tiny_model(
    folder: Path, name: str = "tiny", *, dimension: int = 16, size: int = 32, seed: int = 0
) -> Model:
    """Writes a whole model into the new folder `folder`; another `seed` is another model."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    _save(_image_tower(random, dimension, size), folder / "image.xml")
    _save(_text_tower(random, dimension), folder / "text.xml")
    _tokenizer().save(str(folder / "tokenizer.json"))
    return seal(folder, facts(name, dimension, size))


def rewrite(folder: Path, **changes: Any) -> None:
    """Changes top-level entries of a `model.json` without any care."""
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def _image_tower(random: np.random.Generator, dimension: int, size: int) -> Any:
    """Means of a 4 x 4 grid, projected."""
    ops = openvino.opset13
    pixels = ops.parameter([-1, 3, size, size], np.float32, "pixels")
    cell = size // 4
    grid = ops.avg_pool(pixels, [cell, cell], [0, 0], [0, 0], [cell, cell], exclude_pad=True)
    flat = ops.reshape(grid, np.array([0, 48]), special_zero=True)
    rows = ops.matmul(flat, random.normal(size=(48, dimension)).astype(np.float32), False, False)
    return openvino.Model([rows], [pixels], "image")


def _text_tower(random: np.random.Generator, dimension: int) -> Any:
    """The sum of a random vector for each token that is no padding."""
    ops = openvino.opset13
    ids = ops.parameter([-1, -1], np.int64, "ids")
    table = random.normal(size=(len(WORDS) + 4, dimension)).astype(np.float32)
    table[PAD] = 0
    rows = ops.gather(table, ids, np.array(0))
    return openvino.Model([ops.reduce_sum(rows, np.array([1]), False)], [ids], "text")


def _save(network: Any, path: Path) -> None:
    openvino.save_model(network, path, compress_to_fp16=False)


def _tokenizer() -> Any:
    named = {"[PAD]": PAD, "[UNK]": UNKNOWN, "[START]": START, "[END]": END}
    vocabulary = named | {word: 4 + at for at, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[START] $A [END]", special_tokens=[("[START]", START), ("[END]", END)]
    )
    return tokenizer
