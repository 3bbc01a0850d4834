"""kadr desktop install, status, uninstall: each file where its program looks, and nothing of the user's lost."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import stat
import subprocess
import sys
import types
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kadr.desktop import hooks, thunar
from kadr.desktop.hooks import HOOKS, THUNAR, rendered
from kadr.desktop.verb import command

KADR = next(iter(command()))
USERS = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- mine, and dear to me -->
<actions>
<action>
	<icon>utilities-terminal</icon>
	<name>Open &amp; close</name>
	<unique-id>1611-1</unique-id>
	<command>x-terminal --dir=%f</command>
	<patterns>*</patterns>
	<startup-notify/>
	<directories/>
</action>
</actions>
"""


@pytest.fixture(autouse=True)
def desktop(monkeypatch, tmp_path):
    """A user's folders, with nothing in them."""
    for name in ("DATA_HOME", "CONFIG_HOME", "CACHE_HOME", "CONFIG_DIRS"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / name))
    return tmp_path


def files(top: Path) -> dict[str, bytes]:
    """Every file below *top* and what is in it."""
    return {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}


def actions(file: Path) -> list[str]:
    return [action.findtext("unique-id") or "" for action in ET.fromstring(file.read_text()).iter("action")]


@pytest.mark.parametrize("name", HOOKS)
def test_install_and_uninstall(kadr, desktop, name):
    """What install writes is where the table says, with its mode; a second time changes nothing; uninstall leaves no file."""
    first = kadr("desktop", "install", name)
    assert first.code == 0
    written = files(desktop)
    places = {"data": "DATA_HOME", "config": "CONFIG_HOME"}
    assert written.keys() == {f"{places[piece.place]}/{piece.target}" for piece in HOOKS[name].pieces}
    for piece in HOOKS[name].pieces:
        mode = (desktop / places[piece.place] / piece.target).stat().st_mode
        assert stat.S_IMODE(mode) == piece.mode
    assert f"{name:<9} installed" in kadr("desktop", "status", name).out.decode()
    again = kadr("desktop", "install", name)
    assert again.code == 0
    assert again.out == b""
    assert files(desktop) == written
    assert kadr("desktop", "uninstall", name).code == 0
    assert files(desktop) == {}
    assert f"{name:<9} not installed" in kadr("desktop", "status", name).out.decode()


def test_all_at_once(kadr, desktop):
    """What two programs share stays until the last of them goes; everything goes when nothing is named."""
    kadr("desktop", "install", *HOOKS)
    service = "DATA_HOME/dbus-1/services/org.kadr.Search.service"
    kadr("desktop", "uninstall", "gnome")
    assert service in files(desktop)
    kadr("desktop", "uninstall")
    assert files(desktop) == {}


def test_install_without_names(kadr, desktop, monkeypatch, tmp_path):
    """Without a name those programs are served that are here, and the others are named."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "caja").write_text("#!/bin/sh\n")
    (programs / "caja").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    ran = kadr("desktop", "install")
    assert [name for name in files(desktop) if not name.startswith("bin/")] == [
        "CONFIG_HOME/caja/scripts/Find similar pictures"
    ]
    assert "left out: gnome, krunner, dolphin, nautilus, nemo, thunar" in ran.err


def test_the_users_files_stay(kadr, desktop):
    """A file that is not ours is never written or removed, one of ours that the user changed neither, and both are said."""
    foreign = desktop / "DATA_HOME/nautilus-python/extensions/kadr_nautilus.py"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("# mine\n")
    ran = kadr("desktop", "install", "nautilus")
    assert ran.code == 4
    assert "it is not kadr's" in ran.err
    assert kadr("desktop", "uninstall", "nautilus").code == 4
    assert foreign.read_text() == "# mine\n"

    kadr("desktop", "install", "caja")
    script = desktop / "CONFIG_HOME/caja/scripts/Find similar pictures"
    script.write_text("#!/bin/sh\n# mine\n")
    assert "changed by you" in kadr("desktop", "status", "caja").out.decode()
    for what in ("install", "uninstall"):
        ran = kadr("desktop", what, "caja")
        assert ran.code == 4
        assert "you changed it" in ran.err
    assert script.read_text() == "#!/bin/sh\n# mine\n"


def test_a_newer_kadr_replaces_its_own(kadr, desktop, monkeypatch):
    """What an older kadr wrote, and nobody changed, is brought up to date."""
    with monkeypatch.context() as older:
        older.setattr("kadr.desktop.verb.command", lambda: iter(["/old/kadr"]))
        kadr("desktop", "install", "caja", "thunar")
    kadr("desktop", "install", "caja", "thunar")
    text = "".join(content.decode() for content in files(desktop / "CONFIG_HOME").values())
    assert "/old/kadr" not in text
    assert text.count(KADR) == 2


def test_a_link_is_written_through(kadr, desktop):
    """Whoever keeps a configuration elsewhere, behind a link, still does so afterwards."""
    kept = desktop / "dotfiles.xml"
    kept.write_text(USERS)
    file = desktop / "CONFIG_HOME/Thunar/uca.xml"
    file.parent.mkdir(parents=True)
    file.symlink_to(kept)
    kadr("desktop", "install", "thunar")
    assert file.is_symlink()
    assert actions(kept) == ["1611-1", "org.kadr.similar"]


def test_a_folder_that_cannot_be_written(kadr, desktop):
    """What cannot be written is said with its reason."""
    (desktop / "DATA_HOME").write_text("a file where a folder should be")
    ran = kadr("desktop", "install", "nemo")
    assert ran.code == 4
    assert "cannot be written" in ran.err


@pytest.mark.parametrize(
    "words", [["desktop", "paint"], ["desktop", "install", "paint"], ["desktop", "similar"]]
)
def test_mistakes(kadr, words):
    """What does not exist is said, with what does."""
    ran = kadr(*words)
    assert ran.code == 2
    assert "kadr: " in ran.err


def test_status_for_programs(kadr):
    """With --json status is an object a line: name, program, whether it is here, state and files."""
    rows = [json.loads(line) for line in kadr("desktop", "status", "--json").out.splitlines()]
    assert [row["name"] for row in rows] == list(HOOKS)
    assert {row["state"] for row in rows} == {"not installed"}
    assert all(os.path.isabs(file) for row in rows for file in row["files"])


# Thunar: one file, the user's


@pytest.fixture
def uca(desktop):
    file = desktop / "CONFIG_HOME/Thunar/uca.xml"
    file.parent.mkdir(parents=True)
    file.write_text(USERS)
    return file


def test_thunars_actions_are_kept(kadr, uca):
    """Our action is added behind the user's, whose file is kept as it was beside it, and taking it away gives every byte back."""
    kadr("desktop", "install", "thunar")
    assert actions(uca) == ["1611-1", "org.kadr.similar"]
    assert uca.with_name("uca.xml.before-kadr").read_text() == USERS
    kadr("desktop", "uninstall", "thunar")
    assert files(uca.parent) == {"uca.xml": USERS.encode()}


def test_thunar_rewrites_its_file(kadr, uca):
    """Thunar writes the file anew when the user edits actions; ours is still known, and only ours goes."""
    kadr("desktop", "install", "thunar")
    uca.write_text(
        as_thunar_writes(uca.read_text(), "<action><name>New</name><unique-id>7</unique-id></action>")
    )
    assert kadr("desktop", "install", "thunar").out == b""
    assert kadr("desktop", "uninstall", "thunar").code == 0
    assert actions(uca) == ["1611-1", "7"]


def as_thunar_writes(text: str, more: str) -> str:
    """As thunar_uca_model_save writes actions: every field, empty ones too, in its own order."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n']
    for action in [*ET.fromstring(text).iter("action"), ET.fromstring(more)]:
        lines.append("<action>\n")
        for field in ("icon", "name", "submenu", "unique-id", "command", "description", "range", "patterns"):
            value = (action.findtext(field) or "").replace("&", "&amp;")
            lines.append(f"\t<{field}>{value}</{field}>\n")
        lines += [
            f"\t<{mark.tag}/>\n" for mark in action if mark.tag.endswith(("files", "notify", "directories"))
        ]
        lines.append("</action>\n")
    return "".join([*lines, "</actions>\n"])


def test_an_action_that_the_user_changed(kadr, uca):
    """Our action stays as the user made it, and that is said."""
    kadr("desktop", "install", "thunar")
    changed = uca.read_text().replace("Find similar pictures", "Like this")
    uca.write_text(changed)
    for what in ("install", "uninstall"):
        ran = kadr("desktop", what, "thunar")
        assert ran.code == 4
        assert "you changed the action" in ran.err
    assert uca.read_text() == changed


def test_thunars_own_defaults(kadr, desktop):
    """Who has no actions of their own keeps those that Thunar came with, and has no file again afterwards."""
    system = desktop / "CONFIG_DIRS/Thunar/uca.xml"
    system.parent.mkdir(parents=True)
    system.write_text(USERS)
    kadr("desktop", "install", "thunar")
    assert actions(desktop / "CONFIG_HOME/Thunar/uca.xml") == ["1611-1", "org.kadr.similar"]
    kadr("desktop", "uninstall", "thunar")
    assert files(desktop) == {"CONFIG_DIRS/Thunar/uca.xml": USERS.encode()}


@pytest.mark.parametrize(
    "text", ["", "<actions>", "<other/>", "<actions/>", "\ufeff not xml", USERS[:-12], "<!-- </actions> -->"]
)
def test_a_file_of_thunar_that_is_not_understood(kadr, uca, text):
    """A file that is broken, or not what Thunar writes, is left as it is, and the user is told how to do it by hand."""
    uca.write_text(text)
    ran = kadr("desktop", "install", "thunar")
    assert ran.code == 4
    assert "by hand" in ran.err
    assert files(uca.parent) == {"uca.xml": text.encode()}


def test_merging_loses_nothing():
    """Whatever actions a file has, in whatever order and with whatever between them, putting ours in and taking it out again
    gives the same bytes."""
    draw = random.Random(5)
    ours = rendered(THUNAR, ["/opt/my & kadr/kadr", "100%"]).decode()
    for _ in range(300):
        parts = [
            draw.choice(["\n", "  ", "", "<!-- a note -->\n"])
            + f"<action>{draw.choice(['', chr(10)])}<name>{draw.choice('xyz')}</name><unique-id>{draw.randrange(4)}</unique-id></action>"
            for _ in range(draw.randrange(5))
        ]
        text = f"<actions>{''.join(parts)}{draw.choice(['', chr(10), '  '])}</actions>{draw.choice(['', chr(10)])}"
        merged = thunar.with_action(text, ours, "uca.xml")
        assert thunar.said(merged, ours, "uca.xml")
        assert thunar.with_action(merged, ours, "uca.xml") == merged
        assert thunar.without_action(merged, ours, "uca.xml") == text


# The files themselves

STRANGE = ['/opt/my $apps/100%/it\'s "kadr"/kadr']


@pytest.fixture
def installed(kadr, desktop, monkeypatch):
    """Everything installed for a kadr in a folder with a strange name: the path of each piece by its source."""
    monkeypatch.setattr("kadr.desktop.verb.command", lambda: iter(STRANGE))
    kadr("desktop", "install", *HOOKS)
    tops = {"data": desktop / "DATA_HOME", "config": desktop / "CONFIG_HOME"}
    return {
        piece.source: tops[piece.place] / piece.target for hook in HOOKS.values() for piece in hook.pieces
    }


@pytest.mark.skipif(not shutil.which("desktop-file-validate"), reason="desktop-file-utils is not installed")
def test_the_application_is_valid(installed):
    """The entry that GNOME shows pictures under keeps the Desktop Entry Specification, in whatever folder kadr lies."""
    done = subprocess.run(
        ["desktop-file-validate", installed["org.kadr.Search.desktop"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def entry(file: Path, group: str) -> dict[str, str]:
    read = ConfigParser(interpolation=None, delimiters="=", strict=True)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read_string(file.read_text(encoding="utf-8"))
    return dict(read[group])


def test_commands_are_spelled_as_each_file_wants(installed):
    """Whatever is in the path of kadr, every file runs it."""
    service = entry(installed["org.kadr.Search.service"], "D-BUS Service")["Exec"]
    assert shlex.split(service) == [*STRANGE, "desktop", "serve"]
    action = entry(installed["kadr-similar.nemo_action"], "Nemo Action")["Exec"]
    assert shlex.split(action) == [*STRANGE, "desktop", "similar", "%F"]
    (mine,) = (one for one in ET.parse(installed["thunar-action.xml"]).iter("action"))
    assert shlex.split(mine.findtext("command").replace("%%", "%")) == [*STRANGE, "desktop", "similar", "%f"]
    menu = entry(installed["dolphin.desktop"], "Desktop Action similar")["Exec"]
    assert menu == '"/opt/my \\\\$apps/100%%/it\'s \\\\"kadr\\\\"/kadr" desktop similar %f'


def test_names_agree(installed):
    """Bus name, object and desktop id are the same wherever they are written."""
    bus = pytest.importorskip("kadr.desktop.bus")
    gnome = entry(installed["org.kadr.Search.ini"], "Shell Search Provider")
    krunner = entry(installed["krunner.desktop"], "Desktop Entry")
    assert gnome["BusName"] == krunner["X-Plasma-DBusRunner-Service"] == bus.NAME
    assert entry(installed["org.kadr.Search.service"], "D-BUS Service")["Name"] == bus.NAME
    assert gnome["ObjectPath"] == krunner["X-Plasma-DBusRunner-Path"] == bus.PATH
    assert gnome["DesktopId"] == installed["org.kadr.Search.desktop"].name
    assert gnome["Version"] == "2"
    assert hooks.GNOME_SYSTEM.endswith(hooks.GNOME_FILE)


def test_nemos_helper_prints_tags(installed, tmp_path):
    """The command that Nemo runs for each picture prints its tags, for any name."""
    if not shutil.which("getfattr"):
        pytest.skip("getfattr is not installed")
    picture = tmp_path / "it's a $picture.jpg"
    picture.write_bytes(b"x")
    try:
        os.setxattr(picture, "user.xdg.tags", "кот,beach".encode())
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error.strerror}")
    helper = entry(installed["kadr.nemo_search_helper"], "Nemo Search Helper")
    assert helper["MimeType"].endswith(";")
    # As nemo-search-engine-advanced.c does: the quoted path instead of %s, then split as a shell does, without one.
    line = shlex.split(helper["Exec"].replace("%s", shlex.quote(str(picture))))
    done = subprocess.run(line, capture_output=True, check=False)
    assert done.stdout.decode().split("\n")[0] == "кот,beach"


def test_cajas_script_hands_over_the_first(installed, tmp_path):
    """The script of Caja runs kadr with the first of the files that were chosen."""
    script = installed["caja-script"]
    kadr = tmp_path / "kadr"
    kadr.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    kadr.chmod(0o755)
    script.write_text(script.read_text().replace(shlex.join(STRANGE), str(kadr)))
    chosen = f"{tmp_path}/a b\\.jpg\n{tmp_path}/c.jpg\n"
    done = subprocess.run(
        [script],
        env=os.environ | {"CAJA_SCRIPT_SELECTED_FILE_PATHS": chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"desktop|similar|{tmp_path}/a b\\.jpg|"


def test_the_extension_of_gnome_files(installed, monkeypatch, tmp_path):
    """The column shows the tags of a file, and the menu of a picture runs kadr with its path; anything else has no menu."""
    ran = []
    extension = loaded(installed["kadr_nautilus.py.in"], monkeypatch, ran)
    picture = tmp_path / "кот 1.jpg"
    picture.write_bytes(b"x")
    tags = "cat, кот,,"
    try:
        os.setxattr(picture, "user.xdg.tags", tags.encode())
    except OSError:
        tags = ""
    shown = File(picture.as_uri(), "image/jpeg")
    extension.KadrTags().update_file_info(shown)
    assert shown.attributes == {"kadr_tags": "cat, кот" if tags else ""}
    (column,) = extension.KadrTags().get_columns()
    assert column.attribute == "kadr_tags"

    menu = extension.KadrSimilar()
    (item,) = menu.get_file_items([shown])
    item.activate()
    assert ran == [[*STRANGE, "desktop", "similar", str(picture)]]
    assert [one.label for one in menu.get_file_items("a window, before 4.0", [shown])] == [item.label]
    for others in (
        [File("file:///a.txt", "text/plain")],
        [File("sftp://h/a.jpg", "image/jpeg")],
        [shown, shown],
    ):
        assert menu.get_file_items(others) == []
    assert menu.get_background_items(shown) == []


class File:
    """What GNOME Files tells an extension of a file."""

    def __init__(self, uri, kind):
        self.attributes = {}
        self.get_uri = lambda: uri
        self.get_mime_type = lambda: kind

    def add_string_attribute(self, name, value):
        self.attributes[name] = value


def loaded(file, monkeypatch, ran):
    """The extension, with GNOME's libraries as it sees them; they are no part of Python's own."""

    class Thing:
        def __init__(self, **fields):
            vars(self).update(fields)

        def connect(self, signal, callback, *more):
            assert signal == "activate"
            self.activate = lambda: callback(self, *more)

    names = ("Column", "MenuItem")
    nautilus = types.SimpleNamespace(**dict.fromkeys(names, Thing))
    for provider in ("ColumnProvider", "InfoProvider", "MenuProvider"):
        setattr(nautilus, provider, type(provider, (), {}))
    gio = types.SimpleNamespace(
        Subprocess=types.SimpleNamespace(new=lambda argv, flags: ran.append(argv)),
        SubprocessFlags=types.SimpleNamespace(NONE=0),
    )
    gobject = types.SimpleNamespace(GObject=type("GObject", (), {}))
    repository = types.SimpleNamespace(Gio=gio, GObject=gobject, Nautilus=nautilus)
    monkeypatch.setitem(sys.modules, "gi", types.SimpleNamespace(repository=repository))
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    module = types.ModuleType("kadr_nautilus")
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), vars(module))
    return module


def test_the_extension_is_read_by_the_systems_python(installed):
    """GNOME Files runs the system's Python, which is not ours: the extension is written for it, too."""
    systems = Path("/usr/bin/python3")
    if not systems.exists():
        pytest.skip("there is no python3 of the system")
    subprocess.run([systems, "-m", "py_compile", installed["kadr_nautilus.py.in"]], check=True)
