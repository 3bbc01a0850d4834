"""The built-in model itself: open_clip's CLIP from a configuration, made for two cores and a few minutes.

It builds, encodes, averages, saves and loads. It must not know pictures, texts or schedules.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from kadrd.embed.imports import open_clip
from kadrd.learn.tokens import CONTEXT

TRUNK = "mobilenetv4_conv_small"
WIDTH = 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pupil:
    """The network, and the tokenizer that goes with its text tower."""

    clip: Any
    tokenizer: Any


def architecture(vocabulary: int, px: int, layers: int = 3, trunk: str = TRUNK) -> dict[str, Any]:
    """An open_clip configuration file: what the model is and how a picture is prepared for it."""
    return {
        "model_cfg": {
            "embed_dim": WIDTH,
            "vision_cfg": {
                "timm_model_name": trunk,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "",  # the trunk ends in a linear layer of its own
                "image_size": px,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": vocabulary,
                "width": WIDTH,
                "heads": 4,
                "layers": layers,
            },
        },
        "preprocess_cfg": {
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def build(config: dict[str, Any]) -> Any:
    return open_clip.CLIP(**config["model_cfg"])


def encode_text(clip: Any, ids: Tensor) -> Tensor:
    """Unit vectors. The tower is causal, so ids may be cut to the longest text of the batch."""
    length = ids.shape[1]
    x = clip.token_embedding(ids) + clip.positional_embedding[:length]
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:length, :length]))
    x = x[torch.arange(len(ids)), ids.argmax(dim=-1)] @ clip.text_projection
    return normalize(x.float(), dim=-1)


def encode_image(visual: nn.Module, pixels: Tensor) -> Tensor:
    return normalize(visual(pixels).float(), dim=-1)


def text_state(clip: Any) -> dict[str, Tensor]:
    return {name: value for name, value in clip.state_dict().items() if not name.startswith("visual.")}


class Average:
    """An exponential moving average of a module, batch statistics included; steadier than the last step."""

    def __init__(self, module: nn.Module, keep: float = 0.999) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.keep = keep
        self.steps = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.steps += 1
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        for mine, now in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(now, 1 - keep)
            else:
                mine.copy_(now)


def export(folder: Path, pupil: Pupil, config: dict[str, Any]) -> None:
    """Half-precision weights, configuration and tokenizer: all that a converter needs."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in pupil.clip.state_dict().items()
    }
    save_file(state, str(folder / "open_clip_model.safetensors"))
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    pupil.tokenizer.save(str(folder / "tokenizer.json"))
