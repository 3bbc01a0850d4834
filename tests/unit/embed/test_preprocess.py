"""Pixels become what CLIP was trained with."""

from pathlib import Path

import numpy as np
import pytest

from kadrd.embed.preprocess import normalised

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
GOLDEN = Path(__file__).parents[4] / "shared" / "data" / "clip-preprocess-golden"


def test_each_channel_has_its_own_scale() -> None:
    """Value / 255, less the mean, over the deviation, channel first and contiguous."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    planes = normalised(pixels, MEAN, STD)
    wanted = ((pixels / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    np.testing.assert_allclose(planes, wanted, atol=2e-6)


@pytest.mark.data
@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared test pictures are not beside this checkout")
def test_the_published_example_comes_out() -> None:
    """Shortest side to 224 by bicubic, centre crop and normalising give the array published with CLIP."""
    image_library = pytest.importorskip("PIL.Image", reason="Pillow reads the example")
    with image_library.open(GOLDEN / "franz-kafka.jpg") as opened:
        picture = opened.convert("RGB")
    scale = 224 / min(picture.size)
    picture = picture.resize([int(side * scale) for side in picture.size], image_library.Resampling.BICUBIC)
    left, top = ((side - 224) // 2 for side in picture.size)
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)))
    expected = np.load(GOLDEN / "expected_preprocessed_image.npy")
    assert np.abs(normalised(pixels[None], MEAN, STD) - expected).max() < 2e-6
