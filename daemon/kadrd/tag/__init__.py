"""THE PATH OF A TAG: from a picture's vector to words where other programs look. Off until the user asks.

vocabulary (which words there are) -> label (which of them fit a picture) -> merge (what a place should carry, beside what
others put there) -> xattr, sidecar, embedded (the places, `carrier.Carrier` each) -> tagging (the spine).
"""
