"""The searches that the user saved, in a file of their own beside the catalogue: nobody can read them off the pictures again.

History of FORMAT
  1  {"format": 1, "searches": {name: query}}
"""

from __future__ import annotations

import json
import os
import threading

from kadrd.store import durable

FORMAT = 1


class Searches:
    """Query by name. Replaced whole with every change; any thread may ask."""

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, threading.Lock()

    def all(self) -> dict[str, str]:
        """Every search, by name. A file that cannot be read holds none; the next change puts it aside."""
        return self._kept() or {}

    def _kept(self) -> dict[str, str] | None:
        try:
            with open(self._path, "rb") as file:
                searches = json.loads(file.read())["searches"]
            return {str(name): str(text) for name, text in sorted(searches.items())}
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, AttributeError, TypeError):
            return None

    def put(self, name: str, text: str) -> None:
        """Keep *text* as *name*. Raises OSError."""
        with self._lock:
            self._write(self.all() | {name: text})

    def remove(self, name: str) -> None:
        """Forget *name*. Raises OSError."""
        with self._lock:
            self._write({kept: text for kept, text in self.all().items() if kept != name})

    def _write(self, searches: dict[str, str]) -> None:
        if os.path.exists(self._path) and self._kept() is None:
            os.replace(self._path, f"{self._path}.damaged")
        body = json.dumps({"format": FORMAT, "searches": searches}, ensure_ascii=False, indent=1)
        durable.replace(self._path, body.encode())
