"""What requests about tags use, built of its parts, and whether new pictures get tags by themselves. Decides nothing about tags."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from kadrd.config import Tags
from kadrd.ingest.loop import Ingest
from kadrd.ingest.scan import now
from kadrd.query.asking import Serving
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.tags import TagsReader, TagsTable
from kadrd.tag.carriers import all_carriers
from kadrd.tag.labelling import Labelling, Wanted
from kadrd.tag.rules import Rules
from kadrd.tag.tagger import Tagger
from kadrd.tag.tagging import Tagging


class TagParts:
    """The daemon's parts that know tags."""

    def __init__(
        self, settings: Tags, *, cache: str, reader: Reader, catalogue: Catalogue, ingest: Ingest,
        serving: Callable[[], Serving],
    ) -> None:  # fmt: skip
        self._settings, self._catalogue, self._ingest, self._setting = (
            settings,
            catalogue,
            ingest,
            reader.setting,
        )
        self.reader = TagsReader(reader)
        self.carriers = all_carriers(settings)
        self.labelling = Labelling(serving, settings, os.path.join(cache, "labels"))
        self.tagging = Tagging(self.reader, self.carriers, now, self._change)
        self.tagger = Tagger(
            self.tagging,
            self.reader,
            self._rules,
            lambda: ingest.revision,
            resting=lambda: ingest.pauses.left > 0,
        )
        ingest.scanner.left_over = self.tagger.sweep
        with catalogue.transaction():
            self._begin()

    @property
    def automatic(self) -> bool:
        """Whether new pictures get tags by themselves."""
        return self._catalogue.tags.every_file

    def again(self) -> None:
        """From now on they do, if the settings say so. On the ingest thread, as is the next."""
        self._undone(None)

    def no_more(self) -> None:
        """From now on they do not, until `again` or other settings."""
        self._undone(self._settings)

    def _undone(self, settings: Tags | None) -> None:
        with self._catalogue.transaction():
            self._catalogue.set("untagged", repr(settings))
            self._begin()

    def _begin(self) -> None:
        tags, undone = self._catalogue.tags, self._catalogue.setting("untagged")
        tags.every_file = bool(self._settings.write) and undone != repr(self._settings)
        if not tags.every_file:
            tags.look_at_none()
            self._catalogue.set("tags", "")

    def _rules(self) -> Rules | None:
        """What files that wait shall carry; None: what they carry already."""
        if not self.automatic:
            return None
        rules = self.labelling.rules(Wanted())
        if rules.stamp != self._setting("tags"):
            self._ingest.call(partial(self._want, rules.stamp)).result()
        return rules

    def _want(self, stamp: str) -> None:
        """Every file waits for these rules: other words or places than before."""
        with self._catalogue.transaction():
            self._catalogue.tags.look_at_all()
            self._catalogue.set("tags", stamp)

    def _change(self, do: Callable[[TagsTable], None]) -> None:
        def change() -> None:
            with self._catalogue.transaction():
                do(self._catalogue.tags)

        self._ingest.call(change).result()
