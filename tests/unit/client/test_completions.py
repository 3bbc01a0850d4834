"""Completions and the manual page: made from the tables, and read by the programs that they are for."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from kadr import completions, manpage
from kadr.protocol.prefixes import PREFIXES
from kadr.table import OPTIONS, VERBS

SHELLS = {"bash": completions.bash, "zsh": completions.zsh, "fish": completions.fish}


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_can_be_read(kadr, tmp_path, shell):
    """The shell itself finds no mistake in its script."""
    script = kadr("completions", shell).out
    assert script.decode() == SHELLS[shell]()
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_bytes(script)
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_know_everything(shell):
    """Every verb, every option and every filter can be completed."""
    script = SHELLS[shell]()
    dashes = "-l " if shell == "fish" else "--"
    for name in (*VERBS, *(f"{dashes}{name}" for name in OPTIONS), *(row.name for row in PREFIXES)):
        assert name in script


def test_another_shell(kadr):
    """A shell that kadr knows nothing of is the user's to change."""
    code, _, err = kadr("completions", "tcsh")
    assert code == 2
    assert "bash, zsh or fish" in err


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["st"], {"status", "start", "stop"}),
        (["tak"], {"taken:"}),
        (["orientation", ":", "p"], {"portrait"}),
        (["beach", "-orientation", ":"], {"portrait", "landscape", "square"}),
        (["--sort", ""], {"score", "date", "name"}),
        (["beach", "--sub"], {"--subtract"}),
        (["dups", "--ne"], {"--near"}),
        (["status", "--"], {"--json", "--watch", "--timeout", "--no-start", "--help", "--version"}),
        (["completions", ""], {"bash", "zsh", "fish"}),
        (["similar", "{}/pic"], {"{}/picture.jpg", "{}/pictures"}),
        (["add", "{}/pic"], {"{}/pictures"}),
        (["cat", "--link-to", "{}/pic"], {"{}/pictures"}),
        (["near", ":", "Ky"], set()),
    ],
)
def test_what_bash_completes(tmp_path, words, completed):
    """A tab gives the words that fit there: verbs, options of the verb, filters, their values, files, folders."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "picture.jpg").touch()
    typed = [word.replace("{}", str(tmp_path)) for word in words]
    script = (
        completions.bash() + 'COMP_WORDS=(kadr "$@"); COMP_CWORD=$#; _kadr; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "bash", *typed], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {word.replace("{}", str(tmp_path)) for word in completed}


def test_the_manual_names_everything(kadr):
    """The page has every verb, option, filter and exit code, and each once as an entry."""
    page = kadr("manual").out.decode()
    for verb in VERBS.values():
        assert f"\n.B {manpage.escaped(verb.name)}" in page
    for option in OPTIONS.values():
        assert manpage.escaped(f"--{option.name}") in page
    for row in PREFIXES:
        assert page.count(f"\n.B {manpage.escaped(row.example)}\n") == 1
    for section in ("NAME", "SYNOPSIS", "OPTIONS", "FILTERS", "EXIT STATUS", "FILES", "EXAMPLES"):
        assert f"\n.SH {section}\n" in page


def test_no_line_of_the_manual_is_a_command_by_chance():
    """What the tables say cannot be read as roff: a line that begins with a dot is one of ours."""
    known = {".TH", ".SH", ".SS", ".TP", ".B", ".br", '.\\"'}
    for line in manpage.page().splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in known, line


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
def test_the_manual_can_be_set():
    """groff sets the page without a warning, and the examples can be copied from it."""
    done = subprocess.run(
        ["groff", "-k", "-man", "-Tutf8", "-ww", "-P-cbou"],
        input=manpage.page().encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    text = done.stdout.decode()
    assert "--min-score X" in text
    assert "kadr beach taken:summer near:Odesa,20km -tag:private" in text
    assert "камера" in text


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_the_manual_is_good_style():
    """mandoc finds no error and nothing to warn of, but that the page has no date: it is made, not released."""
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning"], input=manpage.page().encode(), capture_output=True, check=False
    )
    assert [line for line in done.stdout.splitlines() if b"missing date" not in line] == []
