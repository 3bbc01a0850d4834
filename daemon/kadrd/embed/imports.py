"""The one door to torch and open_clip, for conversion and training.  Never imported by the daemon process.

Must not change anything when the installed libraries fit each other.
"""

import sys
from importlib import import_module
from typing import Any

import torch

__all__ = ["open_clip", "torch"]

_DECLARED: list[torch.library.Library] = []


def _open_clip() -> Any:
    try:
        import_module("torchvision")
    except RuntimeError as error:
        # A torch from the CPU index beside a torchvision from the general one: torchvision's compiled part
        # does not load, and its import stops over two operators that open_clip never calls.  Declaring them
        # without an implementation lets the import pass; calling one would still fail.
        if "torchvision::" not in str(error):
            raise
        _forget("torchvision")
        _declare("torchvision", "nms", "qnms")
    return import_module("open_clip")


def _forget(package: str) -> None:
    """Drops the modules of an import that stopped half way, so that the next one starts afresh."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def _declare(namespace: str, *operators: str) -> None:
    library = torch.library.Library(namespace, "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in operators:
        library.define(  # type: ignore[no-untyped-call]
            f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    # A declaration lasts as long as its library object.
    _DECLARED.append(library)


open_clip = _open_clip()
