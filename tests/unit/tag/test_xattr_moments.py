"""Kills and other programs at every step of our writing: nobody's edit is lost, and nothing of ours becomes somebody else's."""

import os
import sys
import tempfile
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd import xattrs
from kadrd.tag.carrier import Done
from kadrd.tag.xattr import TRIES, XDG, XattrCarrier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attributes of Linux")

CALLS = ("_get", "_set", "_remove")
STEPS = range(1, 16)


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def before_each_call(does):
    """Call *does(number, call, arguments)* before each question to the system."""
    real = {name: getattr(xattrs, name) for name in CALLS}
    numbers = iter(range(1, 1000))

    def asking(name):
        def ask(*words):
            does(next(numbers), name, words)
            return real[name](*words)

        return ask

    for name in CALLS:
        setattr(xattrs, name, asking(name))
    try:
        yield
    finally:
        for name in CALLS:
            setattr(xattrs, name, real[name])


def killed(step):
    """Nothing is done from the call *step* on."""

    def does(number, *_):
        if number >= step:
            raise Killed

    return before_each_call(does)


def tags(path):
    with suppress(OSError):
        return [tag for tag in os.getxattr(path, XDG.tags).decode().split(",") if tag]
    return []


def put(path, words):
    """As Dolphin does: an attribute without a tag is taken away."""
    if words:
        os.setxattr(path, XDG.tags, ",".join(words).encode())
    else:
        with suppress(OSError):
            os.removexattr(path, XDG.tags)


@pytest.fixture(scope="session")
def keeps_attributes(tmp_path_factory):
    """A folder on a disk that keeps attributes."""
    folder = tmp_path_factory.mktemp("moments")
    (folder / "probe").write_bytes(b"")
    try:
        os.setxattr(folder / "probe", XDG.tags, b"x")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    return folder


@pytest.fixture
def path(keeps_attributes, tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"picture")
    os.setxattr(file, XDG.tags, b"mine,dog")
    return os.fsencode(file)


@pytest.fixture
def carrier():
    return XattrCarrier()


@pytest.fixture
def tagged(path, carrier):
    """What we remember of a file that carries two of ours."""
    return carrier.write(path, ("beach", "sea"), None).memory


# Kills


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("remembered", [True, False])
def test_killed_while_writing(path, carrier, tagged, step, remembered):
    """A kill at any step of a write loses and claims nothing, whether the catalogue remembers or not; the next write ends it."""
    with suppress(Killed), killed(step):
        carrier.write(path, ("sea", "snow"), tagged)
    done = carrier.write(path, ("sea", "snow"), tagged if remembered else None)
    assert (done.tags, done.memory.ours, done.memory.suppressed) == (
        ("mine", "dog", "sea", "snow"),
        ("sea", "snow"),
        (),
    )
    carrier.remove(path, None)
    assert (os.listxattr(path), tags(path)) == ([XDG.tags], ["mine", "dog"])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("again", ["remove", "write"])
def test_killed_while_taking_away(path, carrier, tagged, step, again):
    """A kill at any step of an untag is made good by another one; or tags are written again, and none is thought unwanted."""
    with suppress(Killed), killed(step):
        carrier.remove(path, tagged)
    if again == "write":
        done = carrier.write(path, ("beach", "sea"), None)
        assert (done.tags, done.memory.suppressed) == (("mine", "dog", "beach", "sea"), ())
    carrier.remove(path, None)
    assert (os.listxattr(path), tags(path)) == ([XDG.tags], ["mine", "dog"])


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_tags_come_back(path, carrier, tagged, step):
    """A kill while tags are put back after an editor's save loses none of them."""
    os.rename(path, path + b".old")
    with open(path, "wb"), suppress(Killed), killed(step):
        carrier.write(path, ("beach", "sea"), tagged)
    done = carrier.write(path, ("beach", "sea"), tagged)
    assert (done.tags, done.memory.ours) == (("mine", "dog", "beach", "sea"), ("beach", "sea"))


# Other programs in the same moment


EDITS = {
    "add": lambda there: [*there, "new"],
    "add first": lambda there: ["new", *there],
    "drop theirs": lambda there: [tag for tag in there if tag != "dog"],
    "drop ours": lambda there: [tag for tag in there if tag != "sea"],
    "drop all": lambda _: [],
    "write all": lambda _: ["new"],
    "add what we are about to": lambda there: [*dict.fromkeys([*there, "snow"])],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", ["write", "remove"])
def test_an_edit_between_any_two_steps(path, carrier, tagged, edit, step, what):
    """Whatever another program changes between two of our steps stays changed: what it added stands, what it dropped is gone.

    One moment is left out: between the last look and the write itself, where the system knows no way to tell.
    """
    left = []

    def does(number, call, words):
        if number >= step and not left and not (call != "_get" and words[1] == XDG.tags):
            left.append((tags(path), EDITS[edit](tags(path))))
            put(path, left[0][1])

    with before_each_call(does):
        done = (
            carrier.write(path, ("sea", "snow"), tagged) if what == "write" else carrier.remove(path, tagged)
        )
    assert isinstance(done, Done)
    if not left:
        return
    there, wanted = left[0]
    for _ in range(2):
        done = carrier.write(path, ("sea", "snow"), done.memory)
    # In words of the user: everything of mine is there, and nothing that I took away.
    assert [tag for tag in tags(path) if tag not in ("beach", "sea", "snow")] == [
        tag for tag in wanted if tag not in ("beach", "sea", "snow")
    ]
    if what == "write" and "sea" in there and "sea" not in wanted:
        assert "sea" not in tags(path)
    if "snow" in wanted and "snow" not in there:
        assert "snow" in tags(path)


def test_a_program_that_looked_before_us(path, carrier, tagged):
    """A program that read the tags before we wrote, and writes them just after, takes nothing of ours away by that."""
    looked, wrote = tags(path), []

    def does(_number, call, words):
        # The look that follows our last write: by then the note is complete.
        if call == "_get" and words[1] == XDG.tags and "snow" in tags(path) and not wrote:
            wrote.append(put(path, [*looked, "new"]))

    with before_each_call(does):
        done = carrier.write(path, ("sea", "snow"), tagged)
    assert wrote
    assert (done.tags, done.memory.suppressed) == (("mine", "dog", "new", "sea", "snow"), ())


def test_an_edit_at_every_step_is_waited_for(path, carrier, tagged):
    """A program that writes without a pause is let have its way; we come again later, and lose nothing."""
    numbers = iter(range(1000))

    def does(_number, call, words):
        if call == "_get" and words[1] == XDG.tags:
            put(path, [*(tag for tag in tags(path) if not tag.startswith("n")), f"n{next(numbers)}"])

    with before_each_call(does):
        refused = carrier.write(path, ("sea", "snow"), tagged)
    assert refused.reason == "moving"
    assert next(numbers) > TRIES
    done = carrier.write(path, ("sea", "snow"), tagged)
    assert [tag.rstrip("0123456789") for tag in done.tags] == ["mine", "dog", "n", "sea", "snow"]


@pytest.mark.parametrize("step", STEPS)
def test_saved_anew_between_any_two_steps(path, carrier, tagged, step):
    """An editor that puts a new file in the place of the one that we write on loses no tag, and gets no half of our work."""

    def does(number, *_):
        if number == step:
            with open(path + b".new", "wb") as new:
                new.write(b"edited")
            os.replace(path + b".new", path)

    with before_each_call(does):
        done = carrier.write(path, ("sea", "snow"), tagged)
    assert done.tags == ("mine", "dog", "sea", "snow")
    done = carrier.write(path, ("sea", "snow"), done.memory)
    assert (tags(path), done.memory.suppressed) == (["mine", "dog", "sea", "snow"], ())


# Any life of a file

TAGS = st.sampled_from(["a", "A", "b", "c", "d", "дом", "red car"])
WANTED = st.lists(TAGS, max_size=4, unique_by=str.casefold)
LIFE = st.lists(
    st.tuples(st.sampled_from(["add", "drop"]), TAGS)
    | st.tuples(st.sampled_from(["ours", "save", "kill", "forget"]), WANTED),
    max_size=14,
)


@given(life=LIFE, step=st.integers(1, 9))
def test_any_life(keeps_attributes, life, step):
    """However a user's edits, an editor's saves, our writes, kills and a lost catalogue follow each other: at each write all of the
    user's tags stand in their order, none of ours that they dropped does, and at the end only theirs are there.
    """
    carrier, ours, dropped, memory = XattrCarrier(), [], set(), None
    with tempfile.TemporaryDirectory(dir=keeps_attributes) as folder:
        path = os.fsencode(os.path.join(folder, "a.jpg"))
        with open(path, "wb"):
            pass
        for what, words in life:
            if what == "add" and words not in tags(path):
                put(path, [*tags(path), words])
            elif what == "drop" and words in tags(path):
                put(path, [tag for tag in tags(path) if tag != words])
            elif what in ("ours", "save", "kill", "forget"):
                dropped |= {tag.casefold() for tag in ours if tag not in tags(path)}
                theirs = [tag for tag in tags(path) if tag not in ours]
                if what == "kill":
                    with suppress(Killed), killed(step):
                        carrier.write(path, tuple(words), memory)
                elif what == "save":
                    # We looked once before, as we do within seconds of each change. Without a tag of ours we remember nothing.
                    memory = carrier.write(path, tuple(ours), memory).memory
                    os.rename(path, path + b".old")
                    with open(path, "wb"):
                        pass
                    theirs = list(memory.theirs) if memory else []
                elif what == "forget":
                    memory = None
                done = carrier.write(path, tuple(words), memory)
                memory, ours = done.memory, list(done.memory.ours if done.memory else ())
                assert tags(path) == list(done.tags) == [*theirs, *ours]
                assert not {tag.casefold() for tag in ours} & dropped
        theirs = [tag for tag in tags(path) if tag not in ours]
        carrier.remove(path, memory)
        assert tags(path) == theirs
        assert os.listxattr(path) == ([XDG.tags] if theirs else [])
