"""Fixtures of all tests: a private home, small distinct pictures, and the real daemon as a child process."""

import importlib.util
import os
import signal
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Whoever starts the tests in the background may have them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _beside(name: str) -> ModuleType:
    # Tests are no package, so a helper of all of them is loaded by its place.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_tiny_model() -> Callable[..., Any]:
    """Writes a tiny model into a folder that is not there yet."""
    pytest.importorskip("openvino")
    make: Callable[..., Any] = _beside("models_fixture").tiny_model
    return make


@pytest.fixture
def make_home(
    tmp_path_factory: pytest.TempPathFactory, make_tiny_model: Callable[..., Any]
) -> Callable[..., Any]:
    """A new KADR_HOME with a tiny model; its name is short, because a socket's path may be."""
    helper = _beside("daemon_fixture")

    def make(**settings: Any) -> Any:
        return helper.Home(tmp_path_factory.mktemp("h"), make_tiny_model, settings)

    return make


@pytest.fixture
def home(make_home: Callable[..., Any]) -> Any:
    """A private KADR_HOME: config, data, state, cache and socket."""
    return make_home()


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Any:
    """Makes small pictures, each another one; what it draws depends on the test's name alone."""
    pytest.importorskip("PIL")
    return _beside("pictures_fixture").Pictures(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def edit() -> ModuleType:
    """Functions that write metadata into a picture's bytes."""
    pytest.importorskip("PIL")
    return _beside("pictures_fixture")


@pytest.fixture
def launch(make_home: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Starts a daemon of its own, for a test that ends it or wants other settings."""
    helper = _beside("daemon_fixture")
    started: list[Any] = []

    def start(home: Any = None, environment: dict[str, str] | None = None, **settings: Any) -> Any:
        daemon = helper.Daemon(home or make_home(**settings))
        started.append(daemon)
        daemon.start(environment)
        return daemon

    yield start
    for daemon in started:
        daemon.stop()


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory, make_tiny_model: Callable[..., Any]) -> Iterator[Any]:
    helper = _beside("daemon_fixture")
    daemon = helper.Daemon(helper.Home(tmp_path_factory.mktemp("h"), make_tiny_model, {}))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(_running: Any) -> Iterator[Any]:
    """A daemon that runs, with no root. Tests share it, one after the other, so they count differences."""
    assert _running.alive, "an earlier test ended the daemon"
    yield _running
    for root in _running.roots():
        _running.remove(root)


@pytest.fixture
def root(daemon: Any, tmp_path: Path) -> Path:
    """An empty folder that the daemon watches."""
    folder = tmp_path / "root"
    folder.mkdir()
    daemon.add(folder)
    return folder


@pytest.fixture
def fuse(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Mounts disks that hang or err when they are told to."""
    with _beside("fuse_fixture").disks(tmp_path) as mount:
        yield mount


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Any]:
    """Makes small file systems and mounts them; skips where that is not allowed."""
    with _beside("disks_fixture").disks(tmp_path) as made:
        yield made


@pytest.fixture
def bind() -> Iterator[Callable[..., Any]]:
    """Shows a folder a second time in another place; skips where that is not allowed."""
    with _beside("disks_fixture").binds() as made:
        yield made


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared test pictures; a test that wants them is skipped where they are absent."""
    folder = Path(os.environ.get("KADR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "pillow-outcome.tsv").exists():
        pytest.skip("the shared test pictures are not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def churn() -> ModuleType:
    """The generator of changes."""
    return _beside("chaos/churn")


@pytest.fixture(scope="session")
def bombs() -> ModuleType:
    """Small files that say they are huge."""
    return _beside("chaos/bombs")


@pytest.fixture
def changing(churn: ModuleType, pictures: Any, edit: ModuleType, tmp_path: Path) -> Callable[[int], Any]:
    """Makes a `Churn` of a seed, whose root is `root` in the test's folder."""

    def make(seed: int) -> Any:
        return churn.Churn(
            tmp_path / "root", tmp_path / "outside", lambda: pictures.bytes(".png"), edit, seed
        )

    return make
