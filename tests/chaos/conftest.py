"""Fixtures of the chaos tests."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _beside(name: str) -> ModuleType:
    # Tests are no package, so what they share is loaded by its place.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def churn() -> ModuleType:
    """The generator of changes."""
    return _beside("churn")


@pytest.fixture(scope="session")
def bombs() -> ModuleType:
    """Small files that say they are huge."""
    return _beside("bombs")


@pytest.fixture
def changing(churn: ModuleType, pictures: Any, edit: ModuleType, tmp_path: Path) -> Callable[[int], Any]:
    """Makes a `Churn` of a seed, whose root is `root` in the test's folder."""

    def make(seed: int) -> Any:
        return churn.Churn(
            tmp_path / "root", tmp_path / "outside", lambda: pictures.bytes(".png"), edit, seed
        )

    return make
