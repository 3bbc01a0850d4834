"""Runs a model's towers.  The only importer of `openvino`.

Must not import torch, and must not open a socket: see the first lines below.
"""

import functools
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# ruff: noqa: E402 - the line below has to come before the import that it silences.
# Importing openvino sends a usage event to a web analytics service and leaves a client number in the home
# folder, unless the user has declined.  With its telemetry package out of reach it falls back to a stub of
# its own, and nothing is sent (nncf, used when models are converted, does the same).  kadr stays at home.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import numpy as np
import openvino
from numpy.typing import NDArray

from kadrd.embed.errors import EncodeError, ModelError
from kadrd.embed.models import Model
from kadrd.embed.preprocess import normalised
from kadrd.embed.tokenizer import Tokenizer

__all__ = ["Encoder", "openvino"]

Rows = NDArray[np.float32]


class Encoder:
    """Turns pictures and words into unit vectors of `model.dimension` numbers.

    A tower is compiled when it is first used.  Both methods may be called from any thread; calls to the
    same tower wait for each other, because one call already uses all `threads`.
    """

    def __init__(
        self,
        model: Model,
        towers: Sequence[str] = ("image", "text"),
        threads: int = 1,
        cache: Path | None = None,
    ) -> None:
        """`towers`: those this process may use.  `cache`: a folder for compiled towers, for a quick start."""
        self.model = model
        settings = _settings(threads, cache)
        self._towers = {name: _Tower(model, name, settings) for name in towers}
        self._tokenizer: Tokenizer | None = None

    def pictures(self, pixels: NDArray[np.uint8]) -> Rows:
        """sRGB bytes of shape (n, size, size, 3) to unit rows (n, dimension).  Raises EncodeError."""
        wanted = (self.model.size, self.model.size, 3)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != wanted:
            raise EncodeError(
                f"Pixels of shape {pixels.shape} and type {pixels.dtype} are not bytes of (n, {wanted}).",
                _REPORT,
            )
        return self._run("image", normalised(pixels, self.model.mean, self.model.std))

    def words(self, texts: Sequence[str]) -> Rows:
        """Texts to unit rows (n, dimension).  Raises EncodeError."""
        return self._run("text", self.tokenizer().ids(texts, padded=not self.model.causal))

    def warm(self) -> None:
        """Compiles the towers and reads the tokenizer now, so that the first call does not wait."""
        if "text" in self._towers:
            self.tokenizer()
        for tower in self._towers.values():
            tower.ready()

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the text tower."""
        if self._tokenizer is None:
            model = self.model
            self._tokenizer = Tokenizer(
                model.folder / "tokenizer.json", model.context, model.pad, model.clean
            )
        return self._tokenizer

    def _run(self, tower: str, batch: NDArray[Any]) -> Rows:
        if not len(batch):
            return np.empty((0, self.model.dimension), dtype=np.float32)
        return _unit(self._towers[tower].run(batch), (len(batch), self.model.dimension), tower)


class _Tower:
    """One compiled network and the one request that runs it."""

    def __init__(self, model: Model, name: str, settings: dict[str, Any]) -> None:
        self._path, self._settings = model.folder / f"{name}.xml", settings
        self._lock = threading.Lock()
        self._request: Any = None

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        with self._lock:
            outputs = self._compiled().infer([batch], share_inputs=True)
            # Copied inside the lock: the request reuses its output memory.
            return np.array(next(iter(outputs.values())), dtype=np.float32)

    def ready(self) -> None:
        with self._lock:
            self._compiled()

    def _compiled(self) -> Any:
        if self._request is None:
            try:
                network = _core().compile_model(self._path, "CPU", self._settings)
            except RuntimeError as error:
                raise ModelError(
                    f"{self._path} cannot be run ({str(error).splitlines()[-1]}).",
                    "Add the model again with `kadrd model add`.",
                ) from error
            self._request = network.create_infer_request()
        return self._request


@functools.cache
def _core() -> Any:
    """The one Core of this process, never let go: its CPU plugin gives the thread that loads it a signal stack,
    and freed on another thread it leaves that stack dangling, so that the next signal ends the process.
    """
    return openvino.Core()


_REPORT = "This is a fault in kadr: please report it."


def _settings(threads: int, cache: Path | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Without this a processor with bf16 units gives other vectors than one without.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return settings | ({"CACHE_DIR": str(cache)} if cache else {})


def _unit(rows: NDArray[Any], shape: tuple[int, int], tower: str) -> Rows:
    if rows.shape != shape:
        raise EncodeError(f"The {tower} tower gave shape {rows.shape} instead of {shape}.", _CHECK)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not (norms > 0).all():
        raise EncodeError(f"The {tower} tower gave something that is not a vector.", _CHECK)
    unit: Rows = (rows / norms).astype(np.float32, copy=False)
    return unit


_CHECK = "Check the model with `kadrd model use`, or add it again with `kadrd model add`."
