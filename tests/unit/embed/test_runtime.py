"""Towers give unit vectors, from any thread, without a network."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kadrd.embed.errors import EncodeError, ModelError
from kadrd.embed.models import Model, seal
from kadrd.embed.runtime import Encoder, openvino

TEXTS = ("a red bicycle", "in the snow", "красный", "the cat in the blue snow", "unheard")


def _pixels(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_vectors_have_unit_length(tiny_model: Model) -> None:
    """Pictures and words give float32 rows of the model's dimension and of length one."""
    encoder = Encoder(tiny_model)
    for rows in (encoder.pictures(_pixels(5)), encoder.words(TEXTS)):
        assert rows.shape == (5, 16)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_a_batch_is_the_same_as_one_by_one(tiny_model: Model) -> None:
    """The vector of a picture or text does not depend on its neighbours, nor on their length."""
    encoder, pixels = Encoder(tiny_model), _pixels(4)
    alone = np.concatenate([encoder.pictures(pixels[at : at + 1]) for at in range(4)])
    np.testing.assert_allclose(encoder.pictures(pixels), alone, atol=1e-6)
    np.testing.assert_allclose(
        encoder.words(TEXTS), np.concatenate([encoder.words([t]) for t in TEXTS]), atol=1e-6
    )


def test_only_the_tokens_present_are_run(tiny_model: Model) -> None:
    """Where padding changes nothing, the padded run gives the same vectors."""
    short = Encoder(tiny_model).words(TEXTS)
    padded = Encoder(_with_text(tiny_model, {"causal": False})).words(TEXTS)
    assert (short * padded).sum(axis=1).min() >= 0.99999


def _with_text(model: Model, changes: dict[str, object]) -> Model:
    facts = json.loads((model.folder / "model.json").read_text(encoding="utf-8"))
    facts["text"] |= changes
    return seal(model.folder, {key: value for key, value in facts.items() if key not in ("format", "files")})


def test_nothing_gives_no_rows(tiny_model: Model) -> None:
    """An empty batch is an empty answer."""
    encoder = Encoder(tiny_model)
    assert encoder.words([]).shape == (0, 16)
    assert encoder.pictures(_pixels(0)).shape == (0, 16)


def test_words_may_be_asked_from_many_threads(tiny_model: Model) -> None:
    """Eight threads at once get what one thread gets."""
    encoder = Encoder(tiny_model, ("text",))
    texts = [f"{a} {b}" for a in TEXTS for b in TEXTS] * 20
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: encoder.words([text])[0], texts))
    np.testing.assert_allclose(np.stack(rows), encoder.words(texts), atol=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 32, 32, 4), np.uint8), np.zeros((1, 31, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)],
    ids=lambda pixels: str(pixels.shape),
)
def test_pixels_of_another_shape_are_refused(tiny_model: Model, pixels: np.ndarray) -> None:
    """The tower never sees what it cannot read."""
    with pytest.raises(EncodeError, match="shape"):
        Encoder(tiny_model).pictures(pixels)


def test_floats_are_refused(tiny_model: Model) -> None:
    """Pixels are bytes; a float picture would be normalised twice."""
    with pytest.raises(EncodeError, match="float32"):
        Encoder(tiny_model).pictures(np.zeros((1, 32, 32, 3), np.float32))


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0])
def test_what_is_no_vector_is_an_error(tiny_model: Model, weight: float) -> None:
    """Not-a-number, infinity and zero never reach the index."""
    ops = openvino.opset13
    ids = ops.parameter([-1, -1], np.int64)
    rows = ops.multiply(
        ops.convert(ops.gather(ids, np.zeros(16, np.int64), np.array(1)), "f32"), np.float32(weight)
    )
    openvino.save_model(openvino.Model([rows], [ids]), tiny_model.folder / "text.xml", compress_to_fp16=False)
    with pytest.raises(EncodeError, match="not a vector"):
        Encoder(tiny_model).words(["a"])


def test_a_damaged_tower_is_a_sentence(tiny_model: Model) -> None:
    """A tower that cannot be read is a ModelError that names the file."""
    (tiny_model.folder / "text.xml").write_text("<net>", encoding="utf-8")
    with pytest.raises(ModelError, match=r"text\.xml cannot be run"):
        Encoder(tiny_model).words(["a"])


def test_a_damaged_tokenizer_is_a_sentence(tiny_model: Model) -> None:
    """A tokenizer that cannot be read is a ModelError that names the file."""
    (tiny_model.folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a tokenizer"):
        Encoder(tiny_model).words(["a"])


def test_only_the_towers_asked_for_are_touched(tiny_model: Model) -> None:
    """The daemon, which only reads words, does not pay for the picture tower."""
    (tiny_model.folder / "image.xml").write_text("damaged", encoding="utf-8")
    encoder = Encoder(tiny_model, ("text",))
    encoder.warm()
    assert encoder.words(["a"]).shape == (1, 16)


def test_compiled_towers_are_kept(tiny_model: Model, tmp_path: Path) -> None:
    """With a cache folder the second start finds a compiled tower, and gives the same vectors."""
    cache = tmp_path / "cache"
    first = Encoder(tiny_model, ("text",), cache=cache).words(TEXTS)
    assert list(cache.iterdir())
    np.testing.assert_array_equal(Encoder(tiny_model, ("text",), cache=cache).words(TEXTS), first)


_WATCHED = """
import socket, sys
def refuse(*_args, **_more):
    raise SystemExit("a socket was opened")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from pathlib import Path
import threading
from kadrd.embed.models import read
from kadrd.embed.runtime import Encoder
Encoder(read(Path(sys.argv[1]))).words(["a"])
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        raise SystemExit(f"a thread was left: {thread}")
heavy = {"torch", "open_clip", "PIL", "openvino_telemetry"} & {name for name, it in sys.modules.items() if it}
print("heavy", sorted(heavy))
"""


def test_the_runtime_stays_at_home(tiny_model: Model, tmp_path: Path) -> None:
    """Importing and running opens no connection, leaves nothing in the home folder and brings no torch."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(tiny_model.folder)],
        env={"HOME": str(home), "PYTHONPATH": ":".join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "heavy []\n", done.stderr
    assert list(home.iterdir()) == []


def test_other_weights_give_other_vectors(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    """Two models are two spaces."""
    one, other = make_model(tmp_path / "1"), make_model(tmp_path / "2", seed=1)
    assert abs(float((Encoder(one).words(["cat"]) * Encoder(other).words(["cat"])).sum())) < 0.9
