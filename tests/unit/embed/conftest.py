"""What the tests of this folder share: a tiny model, and a shelf with it built in."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from kadrd.embed.models import Model, Shelf


def _beside(path: Path) -> ModuleType:
    # Tests are no package, so a helper of all of them is loaded by its place.
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_FIXTURE = _beside(Path(__file__).parents[2] / "models_fixture.py")


@pytest.fixture
def make_model() -> Callable[..., Model]:
    """Writes a tiny model into a folder."""
    make: Callable[..., Model] = _FIXTURE.tiny_model
    return make


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Changes entries of a `model.json`."""
    change: Callable[..., None] = _FIXTURE.rewrite
    return change


@pytest.fixture
def tiny_model(tmp_path: Path, make_model: Callable[..., Model]) -> Model:
    return make_model(tmp_path / "tiny")


@pytest.fixture
def shelf(tmp_path: Path, make_model: Callable[..., Model]) -> Shelf:
    """`mini` built in, nothing installed."""
    make_model(tmp_path / "builtin" / "mini", "mini")
    return Shelf(tmp_path / "builtin", tmp_path / "installed")
