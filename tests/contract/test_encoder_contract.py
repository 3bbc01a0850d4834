"""What every model folder promises to the rest of kadr, whichever runtime reads it."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kadrd.embed.models import BUILTIN, Model, check, read
from kadrd.embed.parity import SENTENCES, made_pictures
from kadrd.embed.runtime import Encoder

SHORT, LONG = "cat", "a red bicycle in the snow " * 50


def _tiny(folder: Path) -> Model:
    path = Path(__file__).parents[1] / "models_fixture.py"
    spec = importlib.util.spec_from_file_location("models_fixture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Model = module.tiny_model(folder / "tiny")
    return made


def _mini() -> Model:
    return read(BUILTIN / "mini")


@pytest.fixture(scope="module", params=["tiny", "mini"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return _tiny(tmp_path_factory.mktemp("models")) if request.param == "tiny" else _mini()


@pytest.fixture(scope="module")
def encoder(model: Model) -> Encoder:
    return Encoder(model)


@pytest.fixture(scope="module")
def pixels(model: Model) -> Any:
    return made_pictures(5, model.size)


def test_the_folder_is_whole(model: Model) -> None:
    """Every file has the checksum that `model.json` states."""
    check(model)


def test_pictures_are_unit_rows(model: Model, encoder: Encoder, pixels: Any) -> None:
    """n pictures give n float32 rows of length one."""
    _assert_unit(encoder.pictures(pixels), (5, model.dimension))


def test_words_are_unit_rows(model: Model, encoder: Encoder) -> None:
    """n texts in any language, empty or too long, give n float32 rows of length one."""
    texts = (*SENTENCES, "", LONG)
    _assert_unit(encoder.words(texts), (len(texts), model.dimension))


def _assert_unit(rows: Any, shape: tuple[int, int]) -> None:
    assert rows.shape == shape
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_the_same_input_gives_the_same_vector(model: Model, encoder: Encoder, pixels: Any) -> None:
    """Encoding again, also after a restart, finds the same place in the index."""
    again = Encoder(model)
    assert (encoder.pictures(pixels) * again.pictures(pixels)).sum(axis=1).min() > 0.99999
    assert (encoder.words(SENTENCES) * again.words(SENTENCES)).sum(axis=1).min() > 0.99999


def test_neighbours_in_a_batch_do_not_matter(encoder: Encoder, pixels: Any) -> None:
    """A picture or text has one vector, alone or among others, short among long."""
    alone = np.concatenate([encoder.pictures(pixels[at : at + 1]) for at in range(len(pixels))])
    assert (encoder.pictures(pixels) * alone).sum(axis=1).min() > 0.9999
    assert float(encoder.words([SHORT, LONG])[0] @ encoder.words([SHORT])[0]) > 0.9999


def test_different_pictures_have_different_vectors(encoder: Encoder, pixels: Any) -> None:
    """No two of the made-up pictures fall together."""
    scores = encoder.pictures(pixels) @ encoder.pictures(pixels).T
    assert (scores - np.eye(len(scores))).max() < 0.9999
