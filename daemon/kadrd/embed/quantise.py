"""Eight-bit weights and activations for the picture tower, kept only where they search alike.

The only importer of `nncf`.  Must not touch a model whose check fails.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadrd.embed.errors import ModelError
from kadrd.embed.models import Model
from kadrd.embed.parity import cosines, neighbour_overlap
from kadrd.embed.preprocess import normalised
from kadrd.embed.runtime import openvino

MEAN_COSINE = 0.99
OVERLAP = 0.9
CALIBRATION = 300
"""Pictures that the ranges are taken from; as many as NNCF itself looks at."""
HELD_OUT = 200
"""Pictures, at most, that the check is made on; never ones that calibrated."""
LEAST = 60


@dataclass(frozen=True)
class Agreement:
    """How alike two picture towers are on pictures that neither was calibrated with."""

    mean_cosine: float
    overlap: float
    pictures: int

    @property
    def good(self) -> bool:
        """Whether a user would find the same pictures."""
        return self.mean_cosine >= MEAN_COSINE and self.overlap >= OVERLAP

    def __str__(self) -> str:
        return (
            f"8-bit picture tower on {self.pictures} pictures held out: mean cosine {self.mean_cosine:.4f} "
            f"(at least {MEAN_COSINE}), same ten nearest {self.overlap:.3f} (at least {OVERLAP})"
        )


def quantised(model: Model, pixels: NDArray[np.uint8], into: Path, threads: int) -> Agreement:
    """Writes an 8-bit twin of the picture tower to `into` (.xml) and says how alike it is.

    `pixels`: the user's pictures (n, size, size, 3); a third, at most `HELD_OUT`, is held out.
    """
    nncf = _nncf()
    held = min(HELD_OUT, len(pixels) // 3)
    core = openvino.Core()
    original = core.read_model(model.folder / "image.xml")
    planes = [normalised(pixels[at : at + 1], model.mean, model.std) for at in range(len(pixels))]
    small = nncf.quantize(
        original,
        nncf.Dataset(planes[held:]),
        subset_size=len(planes) - held,
        preset=nncf.QuantizationPreset.MIXED,
        model_type=_kind(original, nncf),
    )
    openvino.save_model(small, into, compress_to_fp16=True)
    rows = [_rows(core, path, planes[:held], threads) for path in (model.folder / "image.xml", into)]
    return Agreement(float(cosines(*rows).mean()), neighbour_overlap(rows[0], rows[1]), held)


def _kind(network: Any, nncf: Any) -> Any:
    """Attention needs its own rules; a network without it is better off with the general ones."""
    attends = any(
        node.get_type_name() in ("Softmax", "ScaledDotProductAttention") for node in network.get_ordered_ops()
    )
    return nncf.ModelType.TRANSFORMER if attends else None


def _rows(core: Any, path: Path, planes: list[NDArray[np.float32]], threads: int) -> NDArray[Any]:
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(path, "CPU", settings)
    return np.concatenate([np.array(compiled([one])[0]) for one in planes])


def _nncf() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise ModelError(
            "An 8-bit tower needs the library nncf.", 'Install it with `pip install "kadr[models]"`.'
        ) from error
    return nncf
