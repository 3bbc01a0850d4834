"""`kadrd verify`: the oracle without a daemon, for a catalogue whose daemon does not run or does not start.

Holds the daemon's lock meanwhile, so neither can trip over the other. Changes nothing, and mends nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from kadr.protocol.paths import Paths
from kadrd.config import Config
from kadrd.embed.models import Shelf
from kadrd.serve.listener import Lock
from kadrd.service import lock_path, shards_folder
from kadrd.store import schema
from kadrd.store.reader import Reader
from kadrd.store.shards import Index
from kadrd.verify import Verification


def verify(paths: Paths, config: Config, shelf: Shelf, say: Callable[[str], None]) -> bool:
    """Compare disk, catalogue and index; whether all is well. Raises AlreadyRunning, ModelError, SchemaTooNew,
    NotACatalogue, or what keeps the catalogue from being read now.
    """
    try:
        return _verify(paths, config, shelf, say)
    except (schema.CatalogueError, schema.Damaged) as error:
        if schema.passing(error):
            raise
        say(f"  catalogue-damaged  The catalogue cannot be read: {error}.")
        say("The daemon makes it anew when it starts, out of what can still be read: kadr start")
        return False


def _verify(paths: Paths, config: Config, shelf: Shelf, say: Callable[[str], None]) -> bool:
    path = os.path.join(paths.state, "catalogue.sqlite")
    if not os.path.exists(path):
        say("Nothing is indexed here yet. Add a folder: kadr add ~/Pictures")
        return True
    with contextlib.ExitStack() as open_parts:
        open_parts.callback(Lock(lock_path(paths)).release)
        if schema.version(path) < len(schema.MIGRATIONS):
            say(
                "The catalogue is of an older kadr, and is brought up to date when the daemon starts: kadr start"
            )
            return False
        reader = open_parts.enter_context(contextlib.closing(Reader(path)))
        model = shelf.serving(reader.setting("serving"))
        model_id = reader.model_id(model.fingerprint)
        index = Index(
            folder=shards_folder(paths, model), catalogue=path, reader=reader,
            model_id=model_id, fingerprint=model.fingerprint, dimension=model.dimension,
            seal_at=config.index.seal_at, shard_size=config.index.shard_size, tidy=False,
        )  # fmt: skip
        verification = Verification(
            paths=paths, reader=reader, index=index, model_id=model_id,
            settings=config.scan, tell=lambda _: None,
        )  # fmt: skip
        body = verification.run()
    for problem in body["problems"]:
        where = f"{os.fsdecode(problem['path'])}: " if "path" in problem else ""
        say(f"  {problem['kind']}  {where}{problem['sentence']}")
    found = "everything is as it should be" if body["ok"] else f"{body['problems_total']:,} problems"
    say(
        f"{body['files']:,} files, {body['pictures']:,} pictures, {body['vectors']:,} vectors compared: {found}"
    )
    return bool(body["ok"])
