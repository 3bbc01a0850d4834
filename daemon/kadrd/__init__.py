"""kadrd: the daemon that keeps pictures findable by what they show.

From the client it imports `kadr.protocol` and `kadr.__version__`, and nothing else.
"""

from kadr import __version__

__all__ = ["__version__"]
