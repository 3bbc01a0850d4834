"""The table of known models, its page and open_clip agree."""

from pathlib import Path

import pytest

from kadrd.embed.known import KNOWN, Known

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.name)
def test_the_page_says_what_the_table_says(one: Known) -> None:
    """Each known model has a row in docs/models.md with its name, weights, size, licence and use."""
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{one.name}`")
    )
    for part in (one.arch, one.pretrained, f"{one.download_mb} MB", one.licence, one.good_for):
        assert part in row


@pytest.mark.torch
@pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.name)
def test_open_clip_has_the_weights(one: Known) -> None:
    """Each known model is one that open_clip can load."""
    imports = pytest.importorskip("kadrd.embed.imports", reason="asks open_clip")
    assert imports.open_clip.get_pretrained_cfg(one.arch, one.pretrained)
