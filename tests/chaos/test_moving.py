"""Folders and files that move in every way at once, on the real kernel: all is found where it is, for nothing."""

import os
import random
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SLOW = pytest.mark.slow


def tree(top):
    """Every file below a folder, found by a walk of the test's own."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(top) for name in names)


def contents(top):
    """How often each content is there."""
    return Counter(path.read_bytes() for path in tree(top))


def together(work, count):
    """Run work(0), work(1) ... in threads of their own; what one raises is raised here."""
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, number) for number in range(count)]:
            done.result()


# Folders that move


def test_tree_moved_in_is_watched_at_every_level(daemon, root, pictures, tmp_path):
    """In a tree of 500 files that was moved in, what is made, changed and deleted at each level is seen."""
    content = pictures.bytes()
    levels = [tmp_path.joinpath("out", *"abc"[:depth]) for depth in range(4)]
    for level in levels:
        level.mkdir()
        for number in range(125):
            (level / f"{number}.jpg").write_bytes(content)
    (tmp_path / "out").rename(root / "in")
    for level in (root / "in" / level.relative_to(tmp_path / "out") for level in levels):
        daemon.sync()
        pictures.one(level / "new.jpg")
        (level / "0.jpg").write_bytes(pictures.bytes())
        (level / "1.jpg").unlink()
        (level / "2.jpg").rename(level / "renamed.jpg")
    daemon.shows(*tree(root))


def test_folder_replaced_under_its_name(daemon, root, pictures, tmp_path):
    """Whatever takes the name of a folder that went, at any depth, is what is shown from then on."""
    for number in range(5):
        pictures.many(root / "a" / "s" / "t", 2)
        daemon.sync()
        (root / "a").rename(tmp_path / f"away{number}")
        pictures.one(tmp_path / f"away{number}" / "s" / "t" / "stray.jpg")
        other = pictures.many(tmp_path / f"new{number}" / "s" / "t", 3)
        (tmp_path / f"new{number}").rename(root / "a")
        pictures.one(tmp_path / f"away{number}" / "s" / "t" / "stray2.jpg")
        daemon.shows(*(root / "a" / "s" / "t" / file.name for file in other))
        shutil.rmtree(root / "a")


def test_nested_folders_swapped(daemon, root, pictures, churn):
    """When two folders change names, what lies deep in them is found under the right one, without a decode."""
    pictures.many(root / "a" / "s" / "t", 3)
    pictures.many(root / "b" / "s" / "t", 4)
    pictures.many(root / "b" / "u", 2)
    daemon.sync()
    for _ in range(5):
        with daemon.spending(encodes=0, decodes=0):
            churn.exchange(root / "a", root / "b")
        daemon.shows(*tree(root))
    with daemon.spending(encodes=0, decodes=0):
        churn.exchange(root / "a", root / "b")
        churn.exchange(root / "a" / "s", root / "b" / "u")
        churn.exchange(root / "a", root / "b" / "s")
    daemon.shows(*tree(root))


def test_swapped_just_as_it_is_looked_at(daemon, root, pictures, churn):
    """A swap that falls together with a change in the folders themselves is seen to its depths."""
    pictures.many(root / "a" / "s", 3)
    pictures.many(root / "b" / "s", 4)
    content = pictures.bytes()
    daemon.sync()
    with daemon.spending(encodes=1):
        for number in range(200):
            (root / "a" / f"{number}.jpg").write_bytes(content)
            churn.exchange(root / "a", root / "b")
    daemon.shows(*tree(root))


@pytest.mark.parametrize("copies", [20, pytest.param(200, marks=SLOW)])
@pytest.mark.timeout(300)
def test_nested_trees_copied_at_once(daemon, root, pictures, tmp_path, copies):
    """Nested trees that four programs copy at once are found whole, without a decode of what is known."""
    source = tmp_path / "source"
    for depth in range(4):
        pictures.many(source.joinpath(*"abc"[:depth]), 3)
    shutil.copytree(source, root / "first")
    with daemon.spending(encodes=0, decodes=0):
        together(
            lambda thread: [
                shutil.copytree(source, root / f"{number % 7}" / f"copy{number}")
                for number in range(thread, copies, 4)
            ],
            4,
        )
    daemon.shows(*tree(root))


@pytest.mark.parametrize(("renames", "seed"), [(300, 0), pytest.param(5000, 1, marks=SLOW)])
@pytest.mark.timeout(300)
def test_rename_storm(daemon, root, pictures, churn, capsys, renames, seed):
    """Thousands of renames, swaps and cycles of files and folders by four threads cost no encode and lose nothing."""
    for thread in range(4):
        for folder in range(12):
            pictures.many(root / f"{thread}" / f"{folder % 4}" / f"{folder}", 8, (".png",))
    (root / "all").mkdir()
    before = contents(root)

    def storm(thread):
        chance = random.Random(100 * seed + thread)
        mine = root / f"{thread}"
        for number in range(renames // 4):
            files = tree(mine) + [path for path in tree(root / "all") if path.name.startswith(f"{thread}-")]
            folders = sorted(Path(top, name) for top, names, _ in os.walk(mine) for name in names)
            match chance.randrange(7):
                case 0:
                    chance.choice(files).rename(chance.choice([mine, *folders]) / f"r{number}.png")
                case 1:
                    chance.choice(files).rename(root / "all" / f"{thread}-{number}.png")
                case 2:
                    churn.exchange(*chance.sample(files, 2))
                case 3:
                    churn.cycle(chance.sample(files, 4))
                case 4:
                    old, into = chance.choice(folders), chance.choice([mine, *folders])
                    if not into.is_relative_to(old):
                        old.rename(into / f"f{number}")
                case kind:
                    some = chance.sample(folders, min(len(folders), kind - 3))
                    if not any(a.is_relative_to(b) for a in some for b in some if a != b):
                        churn.cycle(some)

    began = time.monotonic()
    with daemon.spending(encodes=0):
        together(storm, 4)
        made = time.monotonic() - began
    daemon.shows(*tree(root))
    assert contents(root) == before
    with capsys.disabled():
        print(
            f"\n{renames} renames in {made:.1f} s, verified {time.monotonic() - began:.1f} s after the first",
            end=" ",
        )


# Deletion in masses


def test_most_of_a_root_deleted_and_restored(daemon, root, pictures):
    """When most of a root goes and is restored as other files of the same content, nothing is encoded again."""
    files = pictures.many(root / "a", 75) + pictures.many(root / "b" / "c", 75)
    daemon.sync()
    went = {path: path.read_bytes() for path in files[:90]}
    with daemon.spending(encodes=0, decodes=0):
        for path in went:
            path.unlink()
        daemon.shows(*files[90:])
        for path, content in went.items():
            path.write_bytes(content)
    daemon.shows(*files)
