"""The files that may answer: near ones by meaning, matching ones by their words, each with its score, in one order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kadrd.query import fuse, plan, wording
from kadrd.query.asking import Serving
from kadrd.query.calibrate import CLOSE
from kadrd.query.expression import Query
from kadrd.query.rank import Ranked
from kadrd.query.stages import Stages
from kadrd.store.selection import Selection, Shown
from kadrd.values import Vector

# Both ways are asked for more than is wanted: what stands far down in both may stand first together.
DEEPER = 50


class Question(NamedTuple):
    """What ranks, and how many are wanted."""

    query: Query
    vector: Vector
    limit: int
    by: str

    @property
    def picture(self) -> bool:
        """Whether a picture alone is asked with: then looks are compared with looks."""
        return [one.picture is not None and one.weight > 0 for one in self.query.operands] == [True]

    @property
    def composed(self) -> bool:
        """Whether the vector is a sum of several, or what one is taken away from."""
        return len(self.query.operands) > 1 or any(one.weight < 0 for one in self.query.operands)


class Candidates:
    """Finds them, step by step."""

    def __init__(self, question: Question, selection: Selection, serving: Serving, stages: Stages) -> None:
        self._question, self._selection, self._serving = question, selection, serving
        self.plan: dict[str, Any] = {"by": question.by}
        depth = max(question.limit, DEEPER)
        with stages("search"):
            self._cosines = self._near(depth)
        with stages("words"):
            self._worded = self._matching(depth)
        with stages("files"):
            self._files = self._shown()
        with stages("scores"):
            self._scores = self._scored()

    def ranked(self) -> list[Ranked]:
        """Every candidate, best first."""
        matched = {file_id: well for file_id, _, well in self._worded}
        meant = [(id_, self._scores[file.picture_id]) for id_, file in self._files.items()]
        fused = fuse.fuse(
            meant, list(matched.items()), self._question.by, wording.count(self._question.query)
        )
        return [
            Ranked(self._files[id_], round(score, 4), self._why(self._files[id_], matched))
            for id_, score in fused
            if id_ in self._files
        ]

    def close(self, best: list[Ranked]) -> list[Ranked]:
        """Those of *best* that are answers: all, or where none looks near enough those in whose words it stands. What is composed,
        or asked with a picture, is not measured.
        """
        measured = not (self._question.picture or self._question.composed)
        if not measured or not best or best[0].score >= CLOSE:
            return best
        matched = {file_id for file_id, _, _ in self._worded}
        return [one for one in best if one.file.file_id in matched]

    def _near(self, depth: int) -> dict[int, float]:
        """Cosine by picture, of the nearest."""
        if self._question.by == "words":
            return {}
        found = plan.find(self._question.vector, depth, self._serving.index, self._selection)
        self.plan |= found.plan._asdict()
        return {one.picture_id: one.score for one in found.near}

    def _matching(self, depth: int) -> list[tuple[int, int, float]]:
        """(file, picture, how well) of files whose words match."""
        match = "" if self._question.by == "meaning" else wording.match(self._question.query)
        found = self._selection.worded(match, depth) if match else []
        self.plan["worded"] = len(found)
        return found

    def _shown(self) -> dict[int, Shown]:
        """Every candidate by its file."""
        files = self._selection.of_pictures(self._cosines)
        by_path = sorted((file for group in files.values() for file in group), key=lambda file: file.path)
        found = {file.file_id: file for file in by_path}
        more = [file_id for file_id, _, _ in self._worded if file_id not in found]
        return found | {file.file_id: file for file in self._selection.of_files(more)}

    def _scored(self) -> dict[int, float]:
        """The score of each picture: of those that words alone found too."""
        cosines = self._cosines | self._cosines_of(
            {f.picture_id for f in self._files.values()} - self._cosines.keys()
        )
        pictures, values = list(cosines), np.array(list(cosines.values()), np.float32)
        background = self._serving.scores.background()
        if self._question.picture:
            scores = background.alike(values)
        else:
            scores = background.score(values, self._question.vector, composed=self._question.composed)
        # As they are shown, so that a score that was read can be asked for.
        return dict(zip(pictures, np.round(scores.astype(np.float64), 4).tolist(), strict=True))

    def _cosines_of(self, pictures: Iterable[int]) -> dict[int, float]:
        ids, vectors = self._serving.index.vectors_of(np.array(sorted(pictures), np.int64))
        return dict(zip(ids.tolist(), (vectors @ self._question.vector).tolist(), strict=True))

    def _why(self, file: Shown, matched: dict[int, float]) -> dict[str, Any]:
        """Why a file is among the answers."""
        why: dict[str, Any] = {}
        if file.picture_id in self._cosines:
            why["cosine"] = round(self._cosines[file.picture_id], 4)
        if file.file_id in matched:
            why["words"] = round(matched[file.file_id], 3)
        return why
