"""A scanner over real folders, with a real catalogue and a real watch, and an age of its own."""

import contextlib
import os

import pytest

from kadrd.config import Scan
from kadrd.ingest import volume
from kadrd.ingest.backlog import Backlog
from kadrd.ingest.scanner import Scanner
from kadrd.ingest.settle import Settle
from kadrd.ingest.watch import Watcher
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader


class ScannerBench:
    """A scanner over one root, and the catalogue it fills."""

    def __init__(self, top):
        self.root = top / "root"
        self.root.mkdir()
        self.now = 0.0
        path = str(top / "state" / "catalogue.sqlite")
        self.catalogue = Catalogue(path, clock=lambda: self.now)
        self.backlog = Backlog()
        self.watcher = Watcher(self.backlog.add, lambda: None, str(top / "fence"))
        self.scanner = Scanner(self.catalogue, self.backlog, self.watcher, Settle(0.0), Scan())
        self.reader = Reader(path)
        self.add(self.root)
        self.drain()

    def close(self):
        self.scanner.close()
        self.reader.close()
        self.watcher.close()
        self.catalogue.close()

    def files(self, count):
        made = [self.root / f"{number:04}.jpg" for number in range(count)]
        for file in made:
            file.touch()
        self.scan()
        return made

    def add(self, folder):
        """Watch *folder*, as it is now."""
        folder.mkdir(exist_ok=True)
        path = os.fsencode(folder)
        self.scanner.add_root(path, volume.at(path))
        return self.scanner.root_of(path)

    def drain(self):
        """Look at whatever is marked."""
        while self.scanner.step():
            pass

    def finish(self):
        """The same when disks are late, but not one that never answers."""
        while self.scanner.unseen:
            self.scanner.step()

    def scan(self):
        self.scanner.scan_everything()
        self.drain()

    def sweep(self, after):
        """Let *after* seconds go by, then sweep."""
        self.now += after
        self.scanner.sweep(self.catalogue.age())
        self.drain()

    def rows(self):
        """How many files the catalogue has at all, missing ones too."""
        return self.catalogue._run("SELECT count(*) FROM files").fetchone()[0]

    def online(self):
        return {os.path.basename(root.path).decode(): root.online for root in self.catalogue.tree.roots()}


@pytest.fixture
def scanned(tmp_path):
    with contextlib.closing(ScannerBench(tmp_path)) as made:
        yield made
