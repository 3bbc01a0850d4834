"""The models that `kadrd model add` knows by a short name: one table for the command, its help and the docs."""

from typing import NamedTuple


class Known(NamedTuple):
    """A published model."""

    name: str
    arch: str
    pretrained: str
    licence: str
    languages: tuple[str, ...]
    """`mul` stands for many more."""
    download_mb: int
    good_for: str


KNOWN = (
    Known(
        "multilingual",
        "xlm-roberta-base-ViT-B-32",
        "laion5b_s13b_b90k",
        "MIT",
        ("en", "ru", "uk", "mul"),
        1_460,
        "queries in about a hundred languages",
    ),
    Known(
        "english",
        "ViT-B-32-256",
        "datacomp_s34b_b86k",
        "MIT",
        ("en",),
        605,
        "English queries, more exact than multilingual for these",
    ),
    Known(
        "quality",
        "ViT-L-16-SigLIP2-256",
        "webli",
        "Apache-2.0",
        ("en", "mul"),
        3_530,
        "the best answers, many languages, about fourteen times the work a picture",
    ),
)


def known(name: str) -> Known | None:
    """The entry called `name`, or None."""
    return next((one for one in KNOWN if one.name == name), None)
