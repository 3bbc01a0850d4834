"""How words are put to a model: as they are, or in a few sentences whose mean vector stands for them. Pure.

CLIP learned from captions, and a bare noun is none: its authors ask with "a photo of a {}." and with the mean of eighty such sentences,
which is worth 3 to 5 points on ImageNet (Radford et al. 2021, arXiv 2103.00020, section 3.1.4). Short English questions to such models
are asked in three. That is not measured here, where no weights of the kind are: `python bench/quality.py --model NAME` does it.

Left as they are:
- all texts of mini, which knows bare nouns: with sentences P@5 over class names of Caltech-101 changes by +0.0 (en), +1.0 (ru) and +1.4
  (uk) points, but precision@10 of 661 words of Flickr8k's captions by 0.0 and -0.1 (ru, uk; +-0.4), so the gain is Caltech's alone;
- longer texts, which are captions themselves, and texts in other alphabets, which nobody has measured;
- texts of models that speak other languages too, whose towers cost most of the time of a question.
"""

from __future__ import annotations

from kadrd.embed.models import Model

TEMPLATES = {
    "en": ("{}", "a photo of {}", "a photo of a {}."),
    "ru": ("{}", "фото {}", "на фото {}"),
    "uk": ("{}", "фото {}", "на фото {}"),
}
"""by language; the ones that are not in use are there to be measured"""

MOST_WORDS = 3


def ensemble(text: str, model: Model) -> list[str]:
    """The texts whose mean vector stands for *text*; *text* alone where others would not help."""
    helped = model.source.startswith("open_clip:") and model.languages == ("en",)
    if not helped or not text.isascii() or len(text.split()) > MOST_WORDS:
        return [text]
    return framed(text, "en")


def framed(text: str, language: str) -> list[str]:
    """*text* in each sentence of TEMPLATES[*language*].

    >>> framed("dog", "en")
    ['dog', 'a photo of dog', 'a photo of a dog.']
    """
    return [template.replace("{}", text) for template in TEMPLATES[language]]
