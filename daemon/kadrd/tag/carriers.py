"""Every place for tags, by its name, as the settings want it."""

from __future__ import annotations

from kadrd.config import Tags
from kadrd.tag.carrier import Carrier
from kadrd.tag.embedded import EmbeddedCarrier
from kadrd.tag.sidecar import SidecarCarrier
from kadrd.tag.xattr import XattrCarrier


def all_carriers(settings: Tags) -> dict[str, Carrier]:
    """In the order in which they are written: what rewrites the file comes last."""
    carriers = (XattrCarrier(), SidecarCarrier(settings.sidecar), EmbeddedCarrier())
    return {carrier.name: carrier for carrier in carriers}
