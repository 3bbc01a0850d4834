"""How words are put to a model: as they are, or in a few sentences whose mean stands for them. Pure.

CLIP was trained on captions, so a bare noun is not what it expects. Its authors report 1.3 points more on ImageNet with "a photo
of a {}.", 3.5 more with the mean of many such sentences, and 1 to 2 points of recall in retrieval with "a photo of" in front
(Radford et al. 2021, arXiv 2103.00020, section 3.1.4 and appendix E). That could not be measured here, where no such model's
weights are: `python bench/quality.py --model NAME` does where they are.

Left as they are:
- all texts of models that kadr trained: mini knows bare nouns, and with sentences P@5 over class names changes by -0.6 to +1.4
  points (en, ru, uk), of which none is beyond chance, while a question takes twice as long;
- longer texts, which are captions themselves, and texts in other alphabets, for which nobody has measured it;
- models whose text tower is not causal (XLM-R, SigLIP): they pay three times for a tower that costs most of a question.
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
    published = model.source.startswith("open_clip:") and model.causal
    if not published or not text.isascii() or len(text.split()) > MOST_WORDS:
        return [text]
    return framed(text, "en")


def framed(text: str, language: str) -> list[str]:
    """*text* in each sentence of TEMPLATES[*language*].

    >>> framed("dog", "en")
    ['dog', 'a photo of dog', 'a photo of a dog.']
    """
    return [template.replace("{}", text) for template in TEMPLATES[language]]
