"""Conversion gives the same vectors as the original, or nothing."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kadrd.embed.commands import FAILED, OK, add_arguments, run
from kadrd.embed.models import Shelf, check
from kadrd.embed.parity import SENTENCES, cosines
from kadrd.embed.runtime import Encoder

pytestmark = [
    pytest.mark.torch,
    # Tracing warns about each shape that a network looks at; the parity check is what judges the result.
    pytest.mark.filterwarnings("ignore"),
]

imports = pytest.importorskip("kadrd.embed.imports", reason="converts with torch and open_clip")

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny architecture, `tiny.json`, and random weights for it, `tiny.pt`."""
    folder = tmp_path_factory.mktemp("weights")
    settings = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}
    described = {"model_cfg": TINY, "preprocess_cfg": settings}
    (folder / "tiny.json").write_text(json.dumps(described), encoding="utf-8")
    imports.torch.manual_seed(0)
    network = imports.open_clip.CLIP(**TINY)
    imports.torch.save(network.state_dict(), folder / "tiny.pt")
    return folder


def add(shelf: Shelf, *words: Any) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    said: list[str] = []
    code = run(parser.parse_args(["add", *map(str, words)]), shelf, said.append)
    return code, "\n".join(said)


def _tiny(made: Path, /, **files: Path) -> list[Any]:
    chosen = {"weights": made / "tiny.pt", "config": made / "tiny.json"} | files
    options = [part for option, path in chosen.items() for part in (f"--{option}", path)]
    return ["--arch", "tiny-test", "--name", "tiny", "--licence", "MIT", "--languages", "en,uk", *options]


@pytest.fixture
def converted(shelf: Shelf, weights: Path) -> Shelf:
    code, said = add(shelf, *_tiny(weights))
    assert code == OK, said
    return shelf


def test_a_configuration_of_ones_own_is_converted(converted: Shelf) -> None:
    """`--config` and `--weights` give a whole model with its settings, and parity of at least 0.9999."""
    model = converted.find("tiny")
    check(model)
    assert (model.dimension, model.size, model.resize, model.mean) == (32, 32, "squash", (0.5, 0.5, 0.5))
    assert (model.licence, model.languages, model.causal) == ("MIT", ("en", "uk"), True)
    assert min(model.parity["image"], model.parity["text"]) >= 0.9999
    assert model.parity["sentences"] >= 30


def test_only_the_tokens_present_give_the_padded_vector(converted: Shelf) -> None:
    """The converted causal tower gives the same vector with and without padding."""
    encoder = Encoder(converted.find("tiny"))
    tokens = encoder.tokenizer()
    padded = encoder._run("text", tokens.ids(SENTENCES, padded=True))
    alone = np.concatenate([encoder.words([sentence]) for sentence in SENTENCES])
    assert cosines(padded, alone).min() >= 0.99999


def test_the_figures_are_told(shelf: Shelf, weights: Path) -> None:
    """The user sees how close the converted model is."""
    code, said = add(shelf, *_tiny(weights))
    assert code == OK
    assert "least cosine to the original" in said
    assert "tiny is installed. Search with it: kadrd model use tiny" in said


def test_a_model_that_differs_is_not_installed(
    shelf: Shelf, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no precision reaches parity the conversion fails and leaves nothing."""
    from kadrd.embed import convert

    monkeypatch.setattr(convert, "PARITY", 1.1)
    code, said = add(shelf, *_tiny(weights))
    assert code == FAILED
    assert "differs from the original" in said
    assert "fp32 weights" in said
    assert list(shelf.installed.iterdir()) == []


def test_weights_of_another_architecture_are_refused(shelf: Shelf, weights: Path, tmp_path: Path) -> None:
    """Weights that do not fit are a sentence with both names."""
    other = TINY | {"embed_dim": 16}
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    code, said = add(shelf, *_tiny(weights, config=tmp_path / "other.json"))
    assert code == FAILED
    assert "does not fit the architecture" in said


@pytest.mark.parametrize(
    ("option", "text", "hint"),
    [
        ("config", "{}", "no open_clip configuration"),
        ("weights", "not weights", "does not fit"),
        ("tokenizer", "{}", "not a tokenizer"),
    ],
)
def test_a_foreign_file_is_refused(
    shelf: Shelf, weights: Path, tmp_path: Path, option: str, text: str, hint: str
) -> None:
    """Each file given is checked, and nothing is left when one is wrong."""
    (tmp_path / "file").write_text(text, encoding="utf-8")
    code, said = add(shelf, *_tiny(weights, **{option: tmp_path / "file"}))
    assert code == FAILED
    assert hint in said
    assert list(shelf.installed.iterdir()) == []


@pytest.mark.parametrize("option", ["config", "weights", "tokenizer"])
def test_a_missing_file_is_named(shelf: Shelf, weights: Path, tmp_path: Path, option: str) -> None:
    """A path with nothing there is a sentence with the path."""
    code, said = add(shelf, *_tiny(weights, **{option: tmp_path / "absent"}))
    assert code == FAILED
    assert "absent" in said


def test_a_tokenizer_too_large_for_the_tower_is_refused(shelf: Shelf, weights: Path, tmp_path: Path) -> None:
    """Token numbers beyond the tower's table are found before anything is converted."""
    small = TINY | {"text_cfg": TINY["text_cfg"] | {"vocab_size": 1000}}  # type: ignore[operator]
    (tmp_path / "small.json").write_text(json.dumps(small), encoding="utf-8")
    imports.torch.save(imports.open_clip.CLIP(**small).state_dict(), tmp_path / "small.pt")
    code, said = add(shelf, *_tiny(weights, config=tmp_path / "small.json", weights=tmp_path / "small.pt"))
    assert code == FAILED
    assert "--tokenizer FILE" in said


@pytest.mark.parametrize("arch", ["ViT-L-16-SigLIP2-256", "ViT-B-32-256"])
def test_local_weights_keep_the_picture_settings_of_their_architecture(arch: str) -> None:
    """`--weights` of a known architecture are fed as that architecture was trained."""
    from kadrd.embed.original import Source, _picture_settings

    tag = imports.open_clip.list_pretrained_tags_by_model(arch)[0]
    known = imports.open_clip.get_pretrained_cfg(arch, tag)
    settings = _picture_settings(Source(arch))
    assert settings["resize_mode"] == known["resize_mode"]
    assert settings["mean"] == known["mean"]


def test_an_unknown_architecture_names_the_option(shelf: Shelf, weights: Path) -> None:
    """A name that open_clip does not know asks for its configuration."""
    code, said = add(shelf, "--arch", "no-such-tower", "--weights", weights / "tiny.pt", "--name", "x")
    assert code == FAILED
    assert "--config FILE" in said


def test_unknown_weights_list_the_known_ones(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag that open_clip does not know is answered with those that it knows."""
    from kadrd.embed import hub

    monkeypatch.setattr(hub, "offline_unless_reachable", lambda: None)
    code, said = add(shelf, "open_clip:ViT-B-32-256/nothing")
    assert code == FAILED
    assert "datacomp_s34b_b86k" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_size_clip_is_converted(shelf: Shelf, tmp_path: Path) -> None:
    """ViT-B-32-256 with random weights keeps every cosine at 0.9999 or more."""
    imports.torch.manual_seed(0)
    network = imports.open_clip.create_model("ViT-B-32-256")
    imports.torch.save(network.state_dict(), tmp_path / "weights.pt")
    code, said = add(shelf, "--arch", "ViT-B-32-256", "--weights", tmp_path / "weights.pt", "--name", "big")
    assert code == OK, said
    model = shelf.find("big")
    assert (model.size, model.dimension, model.context) == (256, 512, 77)
    assert min(model.parity["image"], model.parity["text"]) >= 0.9999


def _photographs() -> Path:
    return Path(__file__).parents[4] / "shared" / "data" / "labelled-caltech101"


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not _photographs().is_dir(), reason="the shared pictures are not beside this checkout")
def test_an_eight_bit_tower_is_kept_only_with_its_figures(shelf: Shelf, weights: Path) -> None:
    """`--int8` tells and stores how alike both towers are, and keeps the small one only where they are."""
    pytest.importorskip("nncf", reason="quantises with nncf")
    code, said = add(shelf, *_tiny(weights), "--int8", "--calibrate", _photographs())
    assert code == OK, said
    model = shelf.find("tiny")
    check(model)
    alike = model.parity["int8_mean_cosine"] >= 0.99 and model.parity["int8_overlap"] >= 0.9
    assert (model.precision["image"] == "int8") == alike
    assert "held out" in said


def test_int8_needs_enough_pictures(shelf: Shelf, weights: Path, tmp_path: Path) -> None:
    """An empty folder of pictures is a sentence with the number that is needed."""
    code, said = add(shelf, *_tiny(weights), "--int8", "--calibrate", tmp_path)
    assert code == FAILED
    assert "0 readable pictures, 60 are needed" in said
