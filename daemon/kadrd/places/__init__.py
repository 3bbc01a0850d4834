"""Where a position lies, and where a name lies, without a network: one value, `Places`, that several threads may ask.

places     the two questions                            nearest  positions, and which place is next to one
cache      the file that answers them                   making   the process that makes it, build what is in it
spelling   how names are compared, with their cases     table    reads gazetteer.xz, which README.md describes

Knows no catalogue and no query. Nothing is read or made before the first question.
"""

from kadrd.places.places import Named, Places

__all__ = ["Named", "Places"]
