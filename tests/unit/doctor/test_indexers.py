"""The desktop's searches: whether they run, and in which folders they look, from the files that they read themselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kadrd.doctor import indexers
from kadrd.doctor.systems import Mount

SETTINGS = """#!/bin/sh
[ "$*" = "get org.freedesktop.Tracker3.Miner.Files index-recursive-directories" ] || exit 1
"""


@pytest.fixture
def desktop(tmp_path):
    """A home and a PATH of its own: nothing is installed in it but what `install` puts there."""
    env = {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}
    (tmp_path / "home" / ".config").mkdir(parents=True)
    (tmp_path / "bin").mkdir()

    def install(name, script="#!/bin/sh\n"):
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)

    def configure(name, text):
        (tmp_path / "home" / ".config" / name).write_text(text)

    def find(*running):
        return indexers.found(env, lambda: frozenset(running))

    find.install, find.configure, find.home = install, configure, os.fsencode(tmp_path / "home")
    return find


def test_nothing_installed(desktop):
    """Where neither is installed neither is asked for."""
    found = desktop()
    assert found == {"baloo": None, "localsearch": None}
    assert not indexers.checked(None).here


def test_baloo_as_it_comes(desktop):
    """Without settings Baloo looks into the home, and not into hidden folders nor onto disks that are plugged in."""
    desktop.install("balooctl6")
    baloo = desktop("baloo_file")["baloo"]
    assert baloo.on
    assert "xattr" in baloo.reads
    home, own = desktop.home, Mount(b"/", "ext4", False)
    assert baloo.covers(home + b"/Pictures", own)
    assert not baloo.covers(home + b"/.cache/pics", own)
    assert not baloo.covers(b"/srv/pictures", own)
    assert not baloo.covers(home + b"/nas/a", Mount(home + b"/nas", "nfs4", False))


def test_baloo_with_settings(desktop):
    """The deepest folder that is named decides, variables stand for theirs, and a plugged-in disk counts when it is named."""
    desktop.configure(
        "baloofilerc",
        "[General]\nfolders[$e]=$HOME/Pictures/,/run/media/me/STICK,${HOME}/Documents/in\nexclude folders[$e]=$HOME/Pictures/raw/\n"
        "exclude filters=*~,*.part\nindex hidden folders=true\n",
    )
    desktop.install("balooctl")
    baloo = desktop("baloo_file")["baloo"]
    home, own = desktop.home, Mount(b"/", "ext4", False)
    assert baloo.covers(home + b"/Pictures", own)
    assert baloo.covers(home + b"/Pictures/.hidden", own)
    assert not baloo.covers(home + b"/Pictures/raw/2020", own)
    assert baloo.covers(home + b"/Documents/in", own)
    assert not baloo.covers(home, own)
    assert baloo.covers(b"/run/media/me/STICK/a", Mount(b"/run/media/me/STICK", "exfat", False))
    assert baloo.add(b"/a b") == "balooctl config add includeFolders '/a b'"


@pytest.mark.parametrize(
    ("settings", "running", "says"),
    [
        ("[Basic Settings]\nIndexing-Enabled=false\n", ["baloo_file"], "switched off"),
        ("", [], "does not run"),
        ("no settings at all\x00\n[", ["baloo_file"], "runs"),
    ],
    ids=["off", "stopped", "unreadable"],
)
def test_the_state_of_baloo(desktop, settings, running, says):
    """Baloo that is switched off, or does not run, looks nowhere; settings that cannot be read are the defaults."""
    desktop.install("balooctl6")
    desktop.configure("baloofilerc", settings)
    baloo = desktop(*running)["baloo"]
    assert says in baloo.state
    assert baloo.on is (says == "runs")


def test_localsearch(desktop):
    """LocalSearch looks into the folders of its settings, the desktop's own ones by their names."""
    desktop.install("localsearch")
    desktop.install(
        "gsettings", SETTINGS + """echo "['&PICTURES', '$HOME/art', '&VIDEOS', '/srv/it''s']"\n"""
    )
    desktop.configure(
        "user-dirs.dirs", '# where they are\nXDG_PICTURES_DIR="$HOME/Bilder"\nXDG_VIDEOS_DIR="$HOME/"\n'
    )
    found = desktop("localsearch-3")["localsearch"]
    home, own = desktop.home, Mount(b"/", "ext4", False)
    assert found.on
    assert "xattr" not in found.reads
    assert found.covers(home + b"/Bilder/2020", own)
    assert found.covers(home + b"/art", own)
    assert not found.covers(
        home + b"/Downloads", own
    )  # a folder of its own that is the home itself does not count
    assert found.add(b"/x") == "localsearch index --add --recursive /x"


@pytest.mark.parametrize(
    "script",
    [
        "echo '@as []'",
        "echo nonsense",
        "echo '[1, 2]'",
        "echo '{'",
        "exit 1",
        "kill -9 $$",
        "printf '\\377\\376'",
    ],
)
def test_settings_that_say_nothing(desktop, script):
    """Whatever gsettings says or does, LocalSearch then looks nowhere, and nothing breaks."""
    desktop.install("tracker3")
    desktop.install("gsettings", f"#!/bin/sh\n{script}\n")
    found = desktop("tracker-miner-fs-3")["localsearch"]
    assert not found.covers(desktop.home, None)


def test_settings_that_never_answer(desktop, monkeypatch):
    """gsettings that hangs is given up."""
    monkeypatch.setattr(indexers, "COMMAND_SECONDS", 0.2)
    desktop.install("localsearch")
    desktop.install("gsettings", "#!/bin/sh\nexec /bin/sleep 600\n")
    found = desktop("localsearch-3")["localsearch"]
    assert not found.on
    assert "cannot be told" in found.state


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc")
def test_programs_that_run():
    """A program of this user that runs is in the list."""
    own = Path("/proc/self/cmdline").read_bytes().split(b"\0")[0]
    assert os.path.basename(os.fsdecode(own)) in indexers._processes()
