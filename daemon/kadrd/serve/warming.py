"""What the first question would have to wait for, done before anybody asks: on the threads for searches, in turn with those who do."""

from __future__ import annotations

import contextlib

from kadr.protocol.errors import Busy, ModelFailed
from kadrd.serve.parts import Parts
from kadrd.serve.turns import Client


async def warm(parts: Parts) -> None:
    """Back when the model that answers has its phrases. What fails is left to the first question, which tells of it."""
    client, scores = Client(), parts.serving.scores
    with contextlib.suppress(Busy, ModelFailed):
        while await parts.pool.run(client, scores.more):
            pass
