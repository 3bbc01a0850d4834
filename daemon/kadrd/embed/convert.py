"""Makes a model folder from open_clip weights, and proves that it gives the same vectors.

Runs in commands only; the daemon must never import it, for torch costs seconds and gigabytes.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadrd.embed import towers
from kadrd.embed.errors import ModelError
from kadrd.embed.imports import torch
from kadrd.embed.install import draft
from kadrd.embed.models import Model, good_name, read, seal
from kadrd.embed.original import Original, Source, load
from kadrd.embed.parity import SENTENCES, cosines, made_pictures
from kadrd.embed.preprocess import normalised
from kadrd.embed.quantise import CALIBRATION, HELD_OUT, LEAST, quantised
from kadrd.embed.runtime import Encoder
from kadrd.embed.samples import pictures
from kadrd.embed.tokenizer import Tokenizer, padding_of, write_clip

__all__ = ["About", "Source", "Trial", "convert"]

PARITY = 0.9999
"""Least cosine between a converted tower and the original, over every picture and sentence tried."""
BATCH = 16

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class About:
    """What `model.json` says about a model for people."""

    licence: str = "unknown"
    languages: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Trial:
    """What a converted model is tried with."""

    folder: Path | None = None
    """The user's own pictures; made-up ones otherwise."""
    int8: bool = False
    """Also try an 8-bit picture tower; needs `folder`."""
    threads: int = 2


def convert(
    source: Source,
    into: Path,
    about: About | None = None,
    trial: Trial | None = None,
    say: Callable[[str], None] = print,
) -> Model:
    """Loads `source`, converts it, checks it and puts it into the new folder `into`, named as the folder.

    Raises ModelError where the weights do not fit, the architecture cannot be converted or the converted
    towers differ from the original; then nothing is left behind.
    """
    good_name(into.name)
    trial = trial or Trial()
    with draft(into) as folder, torch.no_grad():
        say(f"loading {source}")
        original = load(source)
        work = _Work(
            original, folder, _facts(into.name, source, about or About(), original), trial.threads, say
        )
        _write_tokenizer(work, source.tokenizer)
        _settle_padding(work)
        say("converting both towers")
        pixels = _pixels(trial, original)
        model = _faithful(work, pixels)
        if trial.int8:
            _smaller(work, model, pixels)
    return read(into)


@dataclass(frozen=True)
class _Work:
    """A conversion in progress; `facts` grows into `model.json`."""

    original: Original
    folder: Path
    facts: dict[str, Any]
    threads: int
    say: Callable[[str], None]


# --- describing ------------------------------------------------------------------------------------------


def _facts(name: str, source: Source, about: About, original: Original) -> dict[str, Any]:
    bias = getattr(original.network, "logit_bias", None)
    return {
        "name": name,
        "source": about.source or str(source),
        "licence": about.licence,
        "dimension": original.dimension,
        "image": {
            "size": original.size,
            "resize": original.resize,
            "mean": list(original.mean),
            "std": list(original.std),
        },
        "text": {
            "context": _context(original),
            "causal": False,
            "pad": _pad(original),
            "clean": _clean(original),
        },
        "logit_scale": float(original.network.logit_scale.exp()),
        "logit_bias": 0.0 if bias is None else float(bias),
        "languages": list(about.languages),
        "precision": {},
        "parity": {},
    }


def _context(original: Original) -> int:
    known = getattr(original.tokenizer, "context_length", None)
    return int(known or original.text.get("context_length", 77))


def _pad(original: Original) -> int:
    """The number that fills rows: of the tokenizer, else of the tower, else CLIP's."""
    tokenizer = getattr(original.tokenizer, "tokenizer", None)
    plan = getattr(getattr(original.network, "text", None), "config", None)
    known = [getattr(holder, "pad_token_id", None) for holder in (tokenizer, plan)]
    return int(next((pad for pad in known if pad is not None), original.text.get("pad_id", 0)))


def _clean(original: Original) -> str:
    named = original.text.get("tokenizer_kwargs", {}).get("clean")
    # What open_clip's tokenizers do unless told otherwise.
    of_hub = "whitespace" if original.text.get("hf_tokenizer_name") else "lower"
    return str(named or of_hub)


# --- tokens ----------------------------------------------------------------------------------------------


def _write_tokenizer(work: _Work, given: Path | None) -> None:
    path, tokenizer = work.folder / "tokenizer.json", work.original.tokenizer
    if given is not None:
        _copied(given, path)
        named = padding_of(path)
        work.facts["text"]["pad"] = work.facts["text"]["pad"] if named is None else named
    elif hasattr(tokenizer, "bpe_ranks"):
        write_clip(list(tokenizer.bpe_ranks), tokenizer.encoder, path)
    else:
        tokenizer.tokenizer.backend_tokenizer.save(str(path))


def _copied(given: Path, path: Path) -> None:
    try:
        shutil.copyfile(given, path)
    except OSError as error:
        raise ModelError(f"{given} cannot be read ({error.strerror}).", "Give a `tokenizer.json`.") from error


def _settle_padding(work: _Work) -> None:
    """Notes whether texts can be run without padding."""
    ids, text = _ids(work), work.facts["text"]
    text["causal"] = towers.padding_is_idle(work.original, ids, text["pad"])


def _ids(work: _Work) -> NDArray[np.int64]:
    """The tokens of the test sentences, padded, after comparing them with open_clip's own."""
    text, theirs = work.facts["text"], work.original.tokenizer
    ours = Tokenizer(work.folder / "tokenizer.json", text["context"], text["pad"], text["clean"])
    ids = ours.ids(SENTENCES, padded=True)
    if theirs is not None and not np.array_equal(ids, theirs(list(SENTENCES)).numpy()):
        raise ModelError(
            "The tokenizer of this model cannot be carried over exactly.", "Choose another model."
        )
    vocabulary = work.original.network.vocab_size
    if ids.max() >= vocabulary:
        raise ModelError(
            f"The tokenizer gives {ids.max()}, the text tower knows {vocabulary} tokens.",
            "Give the tokenizer that the weights were trained with: `--tokenizer FILE`.",
        )
    return ids


# --- proof -----------------------------------------------------------------------------------------------


def _pixels(trial: Trial, original: Original) -> Pixels:
    if trial.folder is None:
        return made_pictures(BATCH, original.size)
    limit, least = (CALIBRATION + HELD_OUT, LEAST) if trial.int8 else (64, 1)
    return pictures(trial.folder, original.size, original.resize, limit, least)


def _faithful(work: _Work, pixels: Pixels) -> Model:
    """Both towers with half-precision weights where that gives the original's vectors, else with full ones."""
    wanted = None
    for kind in ("fp16", "fp32"):
        model = _written(work, kind)
        wanted = wanted or _wanted(work.original, model, pixels[:64])
        work.facts["parity"] = parity = _measured(Encoder(model, threads=work.threads), pixels[:64], *wanted)
        work.say(_told(parity, kind))
        if min(parity["image"], parity["text"]) >= PARITY:
            return seal(work.folder, work.facts)
    raise ModelError(
        "The converted model differs from the original.",
        "Nothing was installed. Choose another model, and please report this one.",
    )


def _written(work: _Work, kind: str) -> Model:
    text, halved = work.facts["text"], kind == "fp16"
    towers.write_image(work.original, work.folder / "image.xml", halved=halved)
    towers.write_text(
        work.original, text["context"], work.folder / "text.xml", short=text["causal"], halved=halved
    )
    work.facts["precision"] = {"image": kind, "text": kind}
    return seal(work.folder, work.facts)


def _wanted(original: Original, model: Model, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the original gives, in fp32, for the pictures and for the sentences padded as in training."""
    tokens = Tokenizer(model.folder / "tokenizer.json", model.context, model.pad, model.clean)
    images = [
        original.network.encode_image(torch.from_numpy(normalised(batch, model.mean, model.std)))
        for batch in _batches(pixels)
    ]
    words = original.network.encode_text(torch.from_numpy(tokens.ids(SENTENCES, padded=True)))
    return torch.cat(images).numpy(), words.numpy()


def _measured(
    encoder: Encoder, pixels: Pixels, images: NDArray[Any], words: NDArray[Any]
) -> dict[str, float | int]:
    seen = np.concatenate([encoder.pictures(batch) for batch in _batches(pixels)])
    # One by one, as queries come, and all at once, as the words for tags do.
    alone = np.concatenate([encoder.words([sentence]) for sentence in SENTENCES])
    together = encoder.words(SENTENCES)
    return {
        "image": _floor(cosines(seen, images).min()),
        "text": _floor(min(cosines(alone, words).min(), cosines(together, words).min())),
        "pictures": len(pixels),
        "sentences": len(SENTENCES),
    }


def _smaller(work: _Work, model: Model, pixels: Pixels) -> None:
    """Replaces the picture tower by an 8-bit one where that one searches alike."""
    work.say(f"trying an 8-bit picture tower with {len(pixels)} pictures")
    small = work.folder / "small.xml"
    agreement = quantised(model, pixels, small, work.threads)
    work.say(f"{agreement}: {'kept' if agreement.good else 'not kept'}")
    work.facts["parity"] |= {
        "int8_mean_cosine": _floor(agreement.mean_cosine),
        "int8_overlap": _floor(agreement.overlap),
        "int8_pictures": agreement.pictures,
    }
    if agreement.good:
        small.replace(work.folder / "image.xml")
        small.with_suffix(".bin").replace(work.folder / "image.bin")
        work.facts["precision"]["image"] = "int8"
    small.unlink(missing_ok=True)
    small.with_suffix(".bin").unlink(missing_ok=True)
    seal(work.folder, work.facts)


def _batches(pixels: Pixels) -> list[Pixels]:
    return [pixels[at : at + BATCH] for at in range(0, len(pixels), BATCH)]


def _floor(figure: float) -> float:
    return float(np.floor(figure * 1e7) / 1e7)


def _told(parity: dict[str, float | int], kind: str) -> str:
    return (
        f"least cosine to the original with {kind} weights: pictures {parity['image']:.7f} "
        f"(of {parity['pictures']}), sentences {parity['text']:.7f} (of {parity['sentences']})"
    )
