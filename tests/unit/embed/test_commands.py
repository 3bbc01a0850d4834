"""`kadrd model` does what it says, and says what to do next."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kadrd.embed.commands import FAILED, OK, USAGE, add_arguments, run
from kadrd.embed.known import KNOWN
from kadrd.embed.models import Model, Shelf

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(shelf: Shelf) -> Command:
    """Runs `kadrd model ...`; gives the exit code and what was said."""

    def call(*words: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        said: list[str] = []
        code = run(parser.parse_args(words), shelf, said.append)
        return code, "\n".join(said)

    return call


def test_list_marks_the_chosen_model(command: Command) -> None:
    """`list` shows what is installed, which is chosen and what can be added."""
    code, said = command("list")
    assert code == OK
    assert said.splitlines()[0].startswith("* mini ")
    assert all(one.name in said for one in KNOWN)


def test_list_survives_a_damaged_model(
    command: Command, shelf: Shelf, make_model: Callable[..., Model]
) -> None:
    """A model that cannot be read is listed with the reason."""
    make_model(shelf.installed / "broken", "broken")
    (shelf.installed / "broken" / "text.xml").unlink()
    code, said = command("list")
    assert code == OK
    assert "cannot be used: The model in" in said


def test_use_chooses(command: Command, shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """`use` chooses and says that search goes on meanwhile."""
    make_model(shelf.installed / "other", "other")
    code, said = command("use", "other")
    assert (code, shelf.chosen_name()) == (OK, "other")
    assert "running daemon" in said


def test_use_of_nothing_is_a_failure(command: Command, shelf: Shelf) -> None:
    """An unknown name is named, and the choice stays."""
    code, said = command("use", "nothing")
    assert (code, shelf.chosen_name()) == (FAILED, "mini")
    assert "'nothing'" in said
    assert "kadrd model add" in said


def test_remove_removes(command: Command, shelf: Shelf, make_model: Callable[..., Model]) -> None:
    """`remove` deletes and says so."""
    make_model(shelf.installed / "other", "other")
    assert command("remove", "other") == (OK, "other is removed.")
    assert shelf.names() == ("mini",)


def test_remove_of_the_built_in_model_is_refused(command: Command) -> None:
    """`remove mini` fails with a reason."""
    code, said = command("remove", "mini")
    assert code == FAILED
    assert "built in" in said


def test_a_disk_that_refuses_is_a_sentence(command: Command, shelf: Shelf) -> None:
    """A folder that cannot be written is named, with what to look at."""
    shelf.installed.write_text("in the way", encoding="utf-8")
    code, said = command("use", "mini")
    assert code == FAILED
    assert str(shelf.installed) in said
    assert "free space" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "--weights FILE"),
        (("unknown",), "multilingual, english, quality"),
        (("open_clip:ViT-B-32",), "open_clip:ARCH/PRETRAINED"),
        (("english", "--arch", "ViT-B-32"), "not both"),
        (("--arch", "ViT-B-32"), "--weights FILE"),
        (("english", "--name", "../up"), "cannot be called"),
        (("english", "--int8"), "--calibrate DIR"),
    ],
)
def test_wrong_options_say_what_to_give(command: Command, words: tuple[str, ...], hint: str) -> None:
    """Each misuse ends with 2 and a hint, before anything heavy is loaded."""
    code, said = command("add", *words)
    assert code == USAGE
    assert hint in said


def test_a_second_model_of_a_name_is_refused(
    command: Command, shelf: Shelf, make_model: Callable[..., Model]
) -> None:
    """`add` never replaces: it asks for another name or a removal first."""
    make_model(shelf.installed / "english", "english")
    code, said = command("add", "english")
    assert code == FAILED
    assert "--name" in said


def test_the_built_in_name_is_taken(command: Command) -> None:
    """A user's model cannot shadow `mini`."""
    code, said = command("add", "english", "--name", "mini")
    assert code == FAILED
    assert "installed already" in said


def test_without_torch_add_names_the_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the command says what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("imports", "original", "towers", "convert"):
        monkeypatch.delitem(sys.modules, f"kadrd.embed.{name}", raising=False)
    code, said = command("add", "english")
    assert code == FAILED
    assert 'pip install "kadr[models]"' in said


@pytest.mark.torch
def test_an_unreachable_hub_is_a_sentence(
    command: Command, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a network `add` fails at once, names the place and both ways on, and installs nothing."""
    pytest.importorskip("kadrd.embed.imports", reason="needs open_clip")
    from huggingface_hub import constants

    from kadrd.embed import hub

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    # A port of this machine where nobody listens.
    monkeypatch.setattr(hub, "place", lambda: "http://127.0.0.1:9")
    code, said = command("add", "english")
    assert code == FAILED
    assert "could not be downloaded from http://127.0.0.1:9/laion/CLIP-ViT-B-32-256x256-DataComp" in said
    assert "Try again later" in said
    assert "--weights FILE" in said
    assert list(shelf.installed.iterdir()) == []
