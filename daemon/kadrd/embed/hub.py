"""Makes a missing network known at once.  The only importer of `huggingface_hub`.

Left alone, that library tries every file several times, minutes in all, before it says that it is offline.
Must not download anything itself.
"""

import os
import threading
import urllib.error
import urllib.request

PATIENCE = 8.0
"""Seconds within which the hub has to answer at all."""


def place() -> str:
    """The hub's address: the public one, or the mirror that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def offline_unless_reachable() -> None:
    """Turns the library's offline mode on where the hub does not answer: what is in its cache still serves."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE and not _answers(place()):
        constants.HF_HUB_OFFLINE = True


def offline() -> bool:
    """Whether downloads are off: by `offline_unless_reachable`, or by the user's own HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _answers(address: str) -> bool:
    answers: list[bool] = []
    # A thread, because looking up a name has no time limit of its own.
    asking = threading.Thread(target=_ask, args=(address, answers), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return bool(answers)


def _ask(address: str, answers: list[bool]) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()  # noqa: S310
    except urllib.error.HTTPError:
        pass  # A refusal is an answer.
    except (OSError, ValueError):
        return
    answers.append(True)
