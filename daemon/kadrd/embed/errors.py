"""The two ways in which this folder fails: a model that cannot be used, and an encoding that went wrong.

Both carry a sentence for people and an act: what to do next.  Must not import anything heavy.
"""


class _ToldError(Exception):
    """An error that a person reads: `sentence` says what is wrong, `act` says what to do next."""

    def __init__(self, sentence: str, act: str) -> None:
        super().__init__(f"{sentence} {act}")
        self.sentence = sentence
        self.act = act


class ModelError(_ToldError):
    """A model folder is missing, damaged, foreign or newer, or could not be made."""


class DownloadError(ModelError):
    """The weights could not be fetched: the only failure that time alone may mend."""


class EncodeError(_ToldError):
    """A tower gave something that is no vector, or was given something that it cannot read."""
