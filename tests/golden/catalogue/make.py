"""Writes the golden catalogue of the newest schema version. A released one is never written again.

python tests/golden/catalogue/make.py
"""

import sqlite3
from pathlib import Path

import numpy as np

from kadrd.store import roots_copy
from kadrd.store.catalogue import Catalogue
from kadrd.store.schema import MIGRATIONS
from kadrd.values import Encoded, Facts, Memory, Place, Skipped, Stat

KYIV = Place(703448, "Kyiv", "Kyiv City", "Ukraine", ("Kyiv", "Київ", "Ukraine"))


def main() -> None:
    path = Path(__file__).with_name(f"v{len(MIGRATIONS)}.sqlite")
    path.unlink(missing_ok=True)
    catalogue = Catalogue(str(path))
    model_id = catalogue.model_id("f" * 32, "tiny")
    with catalogue.transaction():
        catalogue.set("serving", "f" * 32)
        catalogue.tree.add_root(b"/pictures", 7, 11)
        (root,) = catalogue.tree.roots()
        folder = catalogue.tree.add_folder(root.id, b"/pictures")
        stats = [Stat(100 + n, 200 + n, 300 + n, 400 + n) for n in range(3)]
        names = (b"a.jpg", b"not-utf-8-\xff.png", b"bad.gif")
        first, second, bad = catalogue.tree.add_files(folder.id, zip(names, stats, strict=True))
        vector = np.array([1, 0, 0, 0], np.float32)
        encoded = Encoded(640, 480, "JPEG", {"f" * 32: vector})
        picture = catalogue.add_picture(b"\x02essence", encoded)
        catalogue.add_vector(model_id, picture, encoded, "f" * 32)
        catalogue.indexed(first, stats[0], picture, b"\x01first")
        catalogue.facts.put(
            first,
            Facts(taken=1717245000, offset=180, make="Canon", keywords=("sea",), people=("Олена",)),
            KYIV,
        )
        catalogue.indexed(second, stats[1], picture, b"\x01second")
        catalogue.tags.remember(
            first, "xattr", Memory(("beach",), ("dog",), ("mine",), b"mine", b"digest", 400)
        )
        catalogue.failed(bad, stats[2], Skipped("damaged", "It is damaged."), b"\x01bad")
        catalogue.remember_failure(b"\x01bad", 1, Skipped("damaged", "It is damaged."))
    catalogue.close()
    Path(roots_copy.place(str(path))).unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


if __name__ == "__main__":
    main()
