"""The pixels are those that CLIP's own preprocessing gives, also when a large JPEG is decoded at a fraction."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kadrd.embed.preprocess import normalised
from kadrd.ingest import decode as decoding
from kadrd.ingest.decode import Fit, decode

GOLDEN = Path(__file__).parents[4] / "shared" / "data" / "clip-preprocess-golden"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
FIT = Fit(224)


@pytest.mark.data
def test_golden_picture():
    """A photograph through our decoder equals the recorded output of CLIP's preprocessing."""
    if not GOLDEN.exists():
        pytest.skip("the shared test pictures are not beside the checkout")
    expected = np.load(GOLDEN / "expected_preprocessed_image.npy")
    pixels = decode((GOLDEN / "franz-kafka.jpg").read_bytes(), [FIT]).pixels[FIT]

    assert np.abs(normalised(pixels[None], CLIP_MEAN, CLIP_STD) - expected).max() < 1e-5


def test_fraction_of_a_large_jpeg(monkeypatch):
    """A JPEG decoded at a fraction differs from the whole one by less than its own compression does."""
    x, y = np.meshgrid(np.linspace(0, 60, 3000), np.linspace(0, 40, 2000))
    waves = np.stack([np.sin(x), np.sin(y), np.sin(x + y)], axis=2) * 100 + 128
    out = io.BytesIO()
    Image.fromarray(waves.astype(np.uint8)).save(out, "JPEG", quality=90)
    fraction = decode(out.getvalue(), [FIT]).pixels[FIT].astype(float)
    monkeypatch.setattr(decoding, "DRAFT_MARGIN", 1000)
    whole = decode(out.getvalue(), [FIT]).pixels[FIT].astype(float)

    assert np.abs(fraction - whole).mean() < 1.0
