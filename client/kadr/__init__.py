"""kadr finds pictures on this computer by what they show. This package is the client.

It starts in milliseconds: standard library and msgpack only, NamedTuples instead of dataclasses (which
import inspect), os.path instead of pathlib, late imports of what a search does not need.
"""

__version__ = "0.1.0"
