"""What a converted model is measured with: fixed pictures, fixed sentences, and how far apart vectors are.

numpy only.  Must not choose limits: `convert` and `quantise` do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SENTENCES = (
    "a red bicycle in the snow",
    "two children on a beach at sunset",
    "my grandmother's kitchen",
    "a dog that jumps over a fence!",
    "receipt, 12 March 2021",
    "a black-and-white photograph of an old street",
    "MOUNTAINS & LAKES",
    "the cat's asleep on a blue sofa",
    "a screenshot of a web page",
    "fireworks over a river, seen from a bridge at night",
    "cake",
    "a man in a yellow raincoat waits for the bus while it rains and nobody else is in the street",
    "красный велосипед на снегу",
    "двое детей на пляже на закате",
    "бабушкина кухня",
    "собака прыгает через забор!",
    "чек, 12 марта 2021 года",
    "чёрно-белая фотография старой улицы",
    "ГОРЫ И ОЗЁРА",
    "кошка спит на синем диване",
    "снимок экрана с веб-страницей",
    "фейерверк над рекой, вид с моста ночью",
    "торт",
    "мужчина в жёлтом плаще ждёт автобус под дождём",
    "червоний велосипед на снігу",
    "двоє дітей на пляжі на заході сонця",
    "бабусина кухня",
    "собака стрибає через паркан!",
    "чек, 12 березня 2021 року",
    "чорно-біла світлина старої вулиці",
    "ГОРИ ТА ОЗЕРА",
    "кішка спить на синьому дивані",
    "знімок екрана з вебсторінкою",
    "феєрверк над річкою, вигляд з мосту вночі",
    "торт із ґрушами",
    "чоловік у жовтому плащі чекає на автобус під дощем",
)


def made_pictures(count: int, size: int) -> NDArray[np.uint8]:
    """`count` pictures (n, size, size, 3) that are the same on every machine: gradients under noise."""
    random = np.random.default_rng(20_211_203)
    ramp = np.linspace(0.0, 1.0, size)
    made = np.empty((count, size, size, 3), dtype=np.uint8)
    for picture in made:
        slopes, offsets = random.uniform(-255, 255, (2, 3)), random.uniform(0, 255, 3)
        plane = (
            np.multiply.outer(ramp, slopes[0])[:, None] + np.multiply.outer(ramp, slopes[1])[None] + offsets
        )
        noise = random.normal(0.0, random.uniform(0, 80), plane.shape)
        picture[:] = np.clip(plane + noise, 0, 255)
    return made


def cosines(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Row by row cosine of two (n, d) arrays of any length of row, as (n,)."""
    return np.asarray(np.einsum("nd,nd->n", _unit(left), _unit(right)))


def neighbour_overlap(left: NDArray[Any], right: NDArray[Any], nearest: int = 10) -> float:
    """Share of each row's `nearest` rows that both arrays agree on, averaged: 1.0 is the same search."""
    pairs = zip(_nearest(left, nearest), _nearest(right, nearest), strict=True)
    return float(np.mean([len(set(one) & set(other)) / len(one) for one, other in pairs]))


def _nearest(rows: NDArray[Any], nearest: int) -> list[list[int]]:
    scores = _unit(rows) @ _unit(rows).T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(nearest, len(rows) - 1)]
    return [[int(index) for index in row] for row in order]


def _unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
