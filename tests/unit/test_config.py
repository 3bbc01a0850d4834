"""kadr.toml."""

import pytest

from kadrd.config import Config, ConfigError, Index, Scan, read


@pytest.fixture
def settings(tmp_path):
    def given(text):
        path = tmp_path / "kadr.toml"
        path.write_text(text, encoding="utf-8")
        return read(str(path))

    return given


def test_without_a_file(tmp_path):
    """Without a file the defaults stand."""
    assert read(str(tmp_path / "none.toml")) == Config()


def test_values(settings):
    """What is given replaces a default, the rest stands; a whole number may stand for a fraction."""
    config = settings('[scan]\nquiet_seconds = 3\nignore = ["x"]\n[index]\nseal_at = 50\n')
    assert config == Config(scan=Scan(quiet_seconds=3.0, ignore=("x",)), index=Index(seal_at=50))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scan]\nquite_seconds = 1", "did you mean scan.quiet_seconds?"),
        ("[indx]\n", "did you mean index?"),
        ("[zzz]\n", "known here: worker, scan, index"),
        ("[scan]\nquiet_seconds = true", "float"),
        ("[scan]\nhidden = 1", "bool"),
        ("[scan]\nignore = [1]", "tuple"),
        ("[index]\nseal_at = -1", "negative"),
        ("scan = 1", "Scan"),
        ("[worker]\npriority = 'high'", "idle, low, normal"),
        ("x = ", "cannot be read"),
    ],
)
def test_mistakes(settings, text, said):
    """A mistake is refused with what to write instead."""
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        settings(text)


@pytest.mark.parametrize(
    "text", ["[index]\nseal_at = 0", "[index]\nshard_size = 0", "[scan]\nquiet_seconds = nan"]
)
def test_values_that_cannot_work(settings, text):
    """A value with which nothing could work is refused."""
    with pytest.raises(ConfigError):
        settings(text)
