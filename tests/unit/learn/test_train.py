"""The whole of `kadrd train` on made-up coloured pictures, with the teacher's word made up as well."""

import argparse
import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from kadrd.learn import train

MISSING = [
    name for name in ("torch", "open_clip", "timm", "safetensors") if not importlib.util.find_spec(name)
]
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 220)}
NAMES = {
    "red": ("red|scarlet", "красный", "червоний"),
    "green": ("green", "зелёный", "зелений"),
    "blue": ("blue", "синий", "синій"),
}
EACH = 8

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(bool(MISSING), reason=f"training needs {', '.join(MISSING)} (the extra `models`)"),
    pytest.mark.filterwarnings("ignore"),  # torch's own
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus of one-coloured pictures, words for them, a filled teacher cache and an evaluation folder."""
    place = tmp_path_factory.mktemp("train")
    (place / "words").mkdir()
    concepts = [f"caltech:{colour}\t" + "\t".join(names) for colour, names in NAMES.items()]
    (place / "words" / "concepts.tsv").write_text(
        "key\ten\tru\tuk\n" + "\n".join(concepts) + "\n", encoding="utf-8"
    )
    (place / "words" / "wordnet.tsv").write_text("wnid\timagenet_index\n", encoding="utf-8")
    rows, labels = ["path\tsource\tlabel\tcaptions_en\tcaptions_ru\tcaptions_uk"], ["file\tclass\ten\tru\tuk"]
    pixels, features = [], []
    for colour, rgb in COLOURS.items():
        for number in range(EACH):
            picture = Image.new("RGB", (48, 40), tuple(value - number for value in rgb))
            path = place / "corpus" / colour / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
            caption = f"a {colour} picture" if number % 2 else ""
            rows.append(f"{colour}/{number}.png\ttiny\tcaltech:{colour}\t{caption}\t\t")
            labels.append(
                "\t".join((f"{colour}/{number}.png", colour, *(n.split("|")[0] for n in NAMES[colour])))
            )
            pixels.append(np.asarray(picture.resize((64, 64)), np.uint8))
            features.append(
                np.repeat(np.eye(3, dtype=np.uint8)[list(COLOURS).index(colour)], 342)[:1024] * 100 + number
            )
    (place / "corpus" / "corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (place / "corpus" / "labels.tsv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    cache = place / "work" / "views" / "tiny"
    cache.mkdir(parents=True)
    np.stack(pixels).tofile(cache / "pixels.u8")
    np.stack(features).tofile(cache / "features.u8")
    (cache / "done").write_text(str(len(pixels)))
    return place


def run(place, *more: str) -> int:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    given = {"corpus": "corpus", "work": "work", "out": "out", "words": "words", "teacher": "none.tflite"}
    options = [part for option, name in given.items() for part in (f"--{option}", str(place / name))]
    return train.run(parser.parse_args([*options, "--check-labelled", str(place / "corpus"), *SMALL, *more]))


SMALL = [
    "--text-steps",
    "8",
    "--text-batch",
    "24",
    "--text-layers",
    "1",
    "--minutes",
    "0.05",
    "--batch",
    "24",
]
SMALL += ["--sizes", "32:1", "--no-compile"]


def test_training_makes_a_model_folder_for_the_converter(place, capsys):
    """Both stages run, say how good the model is, and leave weights, configuration and tokenizer."""
    assert run(place) == 0
    assert sorted(path.name for path in (place / "out").iterdir()) == [
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "tokenizer.json",
    ]
    assert (
        json.loads((place / "out" / "open_clip_config.json").read_text())["model_cfg"]["vision_cfg"][
            "image_size"
        ]
        == 32
    )
    assert "P@5 uk" in capsys.readouterr().out


def test_a_finished_stage_is_not_done_again(place, capsys):
    """A second run of the picture stage finds its minutes used and only exports."""
    assert run(place, "--stage", "pictures") == 0
    assert "pictures step" not in capsys.readouterr().out


def test_texts_can_be_taught_again_in_the_same_space(place):
    """With --further the projection that the picture tower has learned stays as it is."""
    import torch

    before = torch.load(place / "work" / "texts.pt", weights_only=True)["space"]["projection"]
    assert run(place, "--stage", "texts", "--further") == 0
    assert torch.equal(
        before, torch.load(place / "work" / "texts.pt", weights_only=True)["space"]["projection"]
    )


def test_the_weights_are_those_of_the_configuration(place):
    """open_clip builds the network from the exported configuration and takes every exported weight."""
    from safetensors.torch import load_file

    from kadrd.learn import pupil

    clip = pupil.build(json.loads((place / "out" / "open_clip_config.json").read_text()))
    clip.load_state_dict(load_file(place / "out" / "open_clip_model.safetensors"))
