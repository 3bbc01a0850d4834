"""The wire between `kadr` and `kadrd`, and the only part of the client that the daemon imports.

Imports the standard library and msgpack. Nothing else, ever.
"""
