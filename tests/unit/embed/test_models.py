"""Model folders are read whole or refused with a sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kadrd.embed.errors import ModelError
from kadrd.embed.models import FILES, Model, Shelf, check, read


def test_a_model_comes_back_as_it_was_written(tiny_model: Model) -> None:
    """Everything that `model.json` says is in the value."""
    model = read(tiny_model.folder)
    assert (model.name, model.dimension, model.size, model.context) == ("tiny", 16, 32, 16)
    assert model.mean == (0.5, 0.4, 0.3)
    assert model.causal
    assert model.languages == ("en", "ru", "uk")


def test_a_whole_model_passes_its_check(tiny_model: Model) -> None:
    """Checksums of a fresh model agree."""
    check(tiny_model)


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found(tiny_model: Model, name: str) -> None:
    """A damaged file is named."""
    path = tiny_model.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"{name} is damaged"):
        check(tiny_model)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tiny_model: Model, name: str) -> None:
    """A model without one of its files is refused when it is read."""
    (tiny_model.folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        read(tiny_model.folder)


def test_no_model_at_all_says_where(tmp_path: Path) -> None:
    """An empty folder is refused with its path."""
    with pytest.raises(ModelError, match=str(tmp_path)) as caught:
        read(tmp_path)
    assert "kadrd model" in caught.value.act


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x"}', '{"format": 0}', '"kadr"', "\x00"])
def test_a_foreign_file_is_refused(tiny_model: Model, text: str) -> None:
    """A `model.json` of another program is not guessed at."""
    (tiny_model.folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="not written by kadr"):
        read(tiny_model.folder)


def test_a_newer_format_asks_for_a_newer_kadr(tiny_model: Model, rewrite: Callable[..., None]) -> None:
    """A format from the future is refused, with the way out."""
    rewrite(tiny_model.folder, format=2)
    with pytest.raises(ModelError, match="format 2") as caught:
        read(tiny_model.folder)
    assert "newer kadr" in caught.value.act


_IMAGE = {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
_TEXT = {"context": 16, "causal": True, "pad": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"dimension": 0},
        {"dimension": "16"},
        {"dimension": True},
        {"name": "../up"},
        {"name": ""},
        {"image": _IMAGE | {"size": -1}},
        {"image": _IMAGE | {"mean": [0.5, 0.5]}},
        {"image": _IMAGE | {"std": [0.5, 0.5, 0]}},
        {"image": _IMAGE | {"resize": "letterbox"}},
        {"image": None},
        {"text": _TEXT | {"causal": "yes"}},
        {"text": _TEXT | {"context": 1}},
        {"text": _TEXT | {"clean": "bleach"}},
        {"logit_scale": float("nan")},
        {"languages": [1]},
        {"files": {}},
        {"precision": "int8"},
    ],
    ids=str,
)
def test_bad_values_are_refused(
    tiny_model: Model, rewrite: Callable[..., None], changes: dict[str, Any]
) -> None:
    """A value that cannot be meant is an error, not a surprise later."""
    rewrite(tiny_model.folder, **changes)
    with pytest.raises(ModelError):
        read(tiny_model.folder)


def test_settings_that_came_later_have_defaults(tiny_model: Model, rewrite: Callable[..., None]) -> None:
    """A first-format file without the optional entries is read."""
    rewrite(tiny_model.folder, image=_IMAGE, text=_TEXT)
    model = read(tiny_model.folder)
    assert (model.resize, model.clean) == ("shortest", "lower")


def test_any_change_is_another_model(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    """Other weights and other settings give other fingerprints; a copy gives the same."""
    one = make_model(tmp_path / "1")
    copy = read(shutil.copytree(tmp_path / "1", tmp_path / "2"))
    weights, settings = make_model(tmp_path / "3", seed=1), make_model(tmp_path / "4", name="other")
    assert one.fingerprint == copy.fingerprint
    assert len({one.fingerprint, weights.fingerprint, settings.fingerprint}) == 3


def test_mini_is_chosen_until_the_user_chooses(shelf: Shelf) -> None:
    """Without a choice the built-in model answers."""
    assert shelf.chosen().name == "mini"
    assert not shelf.installed.exists()


def test_a_choice_lasts(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """`choose` is what `chosen` gives, also to another process."""
    make_model(shelf.installed / "other", "other", seed=1)
    shelf.choose("other")
    assert Shelf(shelf.builtin, shelf.installed).chosen().name == "other"
    assert shelf.names() == ("mini", "other")


def test_a_damaged_model_is_not_chosen(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """`choose` reads every byte first, and the old choice stays."""
    model = make_model(shelf.installed / "other", "other")
    (model.folder / "text.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"text\.bin is damaged"):
        shelf.choose("other")
    assert shelf.chosen_name() == "mini"


def test_a_chosen_model_that_is_gone_says_what_to_do(shelf: Shelf) -> None:
    """The daemon gets a sentence, not a guess."""
    shelf.installed.mkdir()
    (shelf.installed / "current").write_text("lost\n", encoding="utf-8")
    with pytest.raises(ModelError, match="No model is called 'lost'"):
        shelf.chosen()


@pytest.mark.parametrize("name", ["", ".", "..", "../mini", "a/b", "MINI", "x" * 65])
def test_names_stay_inside_the_shelf(shelf: Shelf, name: str) -> None:
    """Nothing outside the two folders can be read as a model."""
    with pytest.raises(ModelError):
        shelf.find(name)


def test_a_renamed_folder_is_noticed(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """A folder and the model in it have one name."""
    make_model(shelf.installed / "copy", "other")
    with pytest.raises(ModelError, match="holds the model 'other'"):
        shelf.find("copy")


def test_remove_deletes_an_installed_model(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """After `remove` nothing of the model is left, whole or damaged."""
    make_model(shelf.installed / "other", "other")
    (shelf.installed / "other" / "text.xml").unlink()
    shelf.remove("other")
    assert list(shelf.installed.iterdir()) == []


def test_the_chosen_model_stays(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """`remove` refuses the model in use and says how to go on."""
    make_model(shelf.installed / "other", "other")
    shelf.choose("other")
    with pytest.raises(ModelError, match="in use") as caught:
        shelf.remove("other")
    assert "kadrd model use mini" in caught.value.act
    assert shelf.chosen().name == "other"


def test_the_built_in_model_stays(shelf: Shelf) -> None:
    """`remove` never touches what kadr came with."""
    with pytest.raises(ModelError, match="built in"):
        shelf.remove("mini")
    assert shelf.names() == ("mini",)


def test_half_written_models_do_not_show(shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """A temporary folder and a folder without `model.json` are no models."""
    make_model(shelf.installed / f".adding-x.{os.getpid()}", "x")
    (shelf.installed / "empty").mkdir()
    (shelf.installed / "file").write_text("", encoding="utf-8")
    assert shelf.names() == ("mini",)


def test_the_format_on_disk_is_the_published_one(tiny_model: Model) -> None:
    """`model.json` has the entries that docs/models.md names."""
    facts = json.loads((tiny_model.folder / "model.json").read_text(encoding="utf-8"))
    assert set(facts) == {
        "format", "name", "source", "licence", "dimension", "image", "text", "logit_scale", "logit_bias",
        "languages", "precision", "parity", "files",
    }  # fmt: skip
    assert set(facts["files"]) == set(FILES)
