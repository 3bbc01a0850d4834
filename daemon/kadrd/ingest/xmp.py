"""What an XMP packet claims: those inside of pictures, and sidecars. Pure: bytes in, claims out.

Read with the standard library's expat. Only what lies between the packet's own first and last tag is handed to it, so no
document type and no entity is ever declared. The walk follows named properties to a fixed depth.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from kadrd.ingest import claims
from kadrd.ingest.claims import Claims, Dates, Moment
from kadrd.values import Facts

MAX_PACKET = 4 << 20
# Tags, and attributes, that a packet has at most: 4 MB of them would become 200 MB of nodes. A photograph's has hundreds;
# what makes a packet large is one picture inside of it.
_MAX_NODES = 50_000

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_LISTS = (_RDF + "Bag", _RDF + "Seq", _RDF + "Alt")
# Namespaces by the prefix they go by here; written with and without what ends them.
_PREFIXES = {
    "http://purl.org/dc/elements/1.1": "dc",
    "http://ns.adobe.com/xap/1.0": "xmp",
    "http://ns.adobe.com/tiff/1.0": "tiff",
    "http://ns.adobe.com/exif/1.0": "exif",
    "http://ns.adobe.com/exif/1.0/aux": "aux",
    "http://cipa.jp/exif/1.0": "exifEX",
    "http://ns.adobe.com/photoshop/1.0": "photoshop",
    "http://ns.adobe.com/lightroom/1.0": "lr",
    "http://www.digikam.org/ns/1.0": "digiKam",
    "http://ns.microsoft.com/photo/1.0": "MicrosoftPhoto",
    "http://ns.microsoft.com/photo/1.2": "MP",
    "http://ns.microsoft.com/photo/1.2/t/Region": "MPReg",
    "http://www.metadataworkinggroup.com/schemas/regions": "mwg-rs",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29": "Iptc4xmpExt",
}
# Where each field is looked for, best first. Dates are in claims.Dates' order.
_TITLE, _DESCRIPTION = ("dc:title",), ("dc:description",)
_LENS = ("exifEX:LensModel", "aux:Lens")
_SOFTWARE = ("tiff:Software", "xmp:CreatorTool")
_ISO = ("exif:ISOSpeedRatings", "exifEX:PhotographicSensitivity")
_DATES = (
    ("exif:DateTimeOriginal", "photoshop:DateCreated"),
    ("exif:DateTimeDigitized", "xmp:CreateDate"),
    (),
    ("exif:GPSTimeStamp",),
)
_KEYWORDS = ("dc:subject",)
_TREES = ("digiKam:TagsList", "lr:hierarchicalSubject", "MicrosoftPhoto:LastKeywordXMP")
_REGIONS, _REGION_NAME, _REGION_TYPE = "mwg-rs:Regions", "mwg-rs:Name", "mwg-rs:Type"
_WINDOWS_REGIONS, _WINDOWS_NAME = "MP:RegionInfo", "MPReg:PersonDisplayName"
_SHOWN = "Iptc4xmpExt:PersonInImage"

_START = re.compile(r"<(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)(?=[\s>])")
# What XML forbids; strings that were padded with zeros are common.
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_WIDE = (
    (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
    (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip
# 50,27.1N or 50,27,6N; some write 50.45, with its side elsewhere or a minus.
_PLACE = re.compile(
    r"\s*([+-]?)(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?(?:,(\d+(?:\.\d+)?))?\s*([NSEW]?)", re.ASCII
)

_Property = Element | str
_Packet = dict[str, _Property]


def read(packet: bytes) -> Claims:
    """The claims of *packet*; none where it is no XMP, or too long."""
    found = _properties(packet)
    latitude, longitude = claims.position(
        _degrees(found, "exif:GPSLatitude"), _degrees(found, "exif:GPSLongitude")
    )
    altitude = _number(found, "exif:GPSAltitude")
    if altitude is not None and _number(found, "exif:GPSAltitudeRef") == 1:
        altitude = -altitude
    facts = Facts(
        make=claims.name(_text(found, "tiff:Make")),
        model=claims.name(_text(found, "tiff:Model")),
        lens=claims.name(_text(found, *_LENS)),
        software=claims.name(_text(found, *_SOFTWARE)),
        iso=claims.whole("iso", *(_number(found, name) for name in _ISO)),
        aperture=claims.number("aperture", _number(found, "exif:FNumber")),
        exposure=claims.number("exposure", _number(found, "exif:ExposureTime")),
        focal=claims.number("focal", _number(found, "exif:FocalLength")),
        latitude=latitude,
        longitude=longitude,
        altitude=claims.number("altitude", altitude),
        rating=_rating(found),
        title=claims.line(_text(found, *_TITLE)),
        description=claims.description(_text(found, *_DESCRIPTION)),
        keywords=claims.labels(_keywords(found)),
        people=claims.labels(_people(found)),
    )
    return Claims(facts, Dates(*(_moment(found, names) for names in _DATES)))


def _properties(packet: bytes) -> _Packet:
    """Every property of a namespace that is known, by prefix:name; of one that stands twice the first."""
    text = _decoded(packet) if len(packet) <= MAX_PACKET else ""
    if max(text.count("<"), text.count("=")) > _MAX_NODES:
        return {}
    start = _START.search(text)
    end = f"</{start[0][1:]}" if start else ""
    last = text.rfind(end) if end else -1
    if start is None or last < 0:
        return {}
    try:
        root = ET.fromstring(_FORBIDDEN.sub("", text[start.start() : last]) + end + ">")  # noqa: S314
    except (ET.ParseError, ValueError):
        return {}
    found: _Packet = {}
    for rdf in root.iter(_RDF + "RDF"):
        for description in rdf:
            values: list[tuple[str, _Property]] = [*description.items()]
            for tag, value in values + [(child.tag, child) for child in description]:
                name = _named(tag)
                if name:
                    found.setdefault(name, value)
    return found


def _decoded(packet: bytes) -> str:
    code = next((code for mark, code in _WIDE if packet.startswith(mark)), "utf-8")
    return packet.decode(code, "replace")


def _named(tag: str) -> str:
    """{namespace}name as prefix:name; empty for a namespace that holds nothing of ours."""
    space, _, name = tag[1:].partition("}")
    prefix = _PREFIXES.get(space.rstrip("/#"))
    return f"{prefix}:{name}" if prefix else ""


def _text(found: _Packet, *names: str) -> str:
    """The first that says something; of several languages the default one, else the first."""
    return next((text for name in names if name in found if (text := _said(found[name]))), "")


def _said(value: _Property) -> str:
    if isinstance(value, str):
        return value.strip()
    items = [item for item in _items(value) if _own(item)]
    items.sort(key=lambda item: item.get(_LANGUAGE, "").casefold() != "x-default")
    return _own(items[0]) if items else _own(value)


def _texts(found: _Packet, name: str) -> list[str]:
    """All items of a list; a property that is no list is one item."""
    value = found.get(name, "")
    if isinstance(value, str):
        return [value]
    return [_own(item) for item in _items(value)] or [_own(value)]


def _items(value: Element) -> list[Element]:
    return [item for child in value if child.tag in _LISTS for item in child]


def _own(node: Element) -> str:
    """The text of a node: its own, or that of its rdf:value when it has qualifiers."""
    inner = node if len(node) == 0 else node.find(f".//{_RDF}value")
    text = (inner.text or "") if inner is not None else node.get(_RDF + "value", "")
    return text.strip() or node.get(_RDF + "value", "")


def _number(found: _Packet, name: str) -> float | None:
    """A number, or a fraction as 28/10."""
    above, _, under = _text(found, name).partition("/")
    try:
        return float(above) / float(under or 1)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def _degrees(found: _Packet, name: str) -> float | None:
    """Degrees north or east."""
    text = _PLACE.match(_text(found, name)[:64])
    if text is None:
        return None
    minus, *parts, side = text.groups()
    degrees = claims.degrees([float(part) for part in parts if part])
    west = (side or _text(found, name + "Ref")[:1].upper()) in ("S", "W")
    return -degrees if degrees is not None and west != bool(minus) else degrees


def _moment(found: _Packet, names: tuple[str, ...]) -> Moment | None:
    moments = (claims.moment(_text(found, name)) for name in names)
    return next(filter(None, moments), None)


def _rating(found: _Packet) -> int | None:
    stars = claims.rating(_number(found, "xmp:Rating"))
    return claims.stars(_number(found, "MicrosoftPhoto:Rating")) if stars is None else stars


def _keywords(found: _Packet) -> list[str]:
    """Single words as they are written; of trees the whole path, with / between."""
    words = [word for name in _KEYWORDS for word in _texts(found, name)]
    return words + [path.replace("|", "/") for name in _TREES for path in _texts(found, name)]


def _people(found: _Packet) -> list[str]:
    """Names of face regions, and of those who are said to be shown."""
    faces = [
        _child(region, _REGION_NAME)
        for region in _regions(found, _REGIONS)
        if _child(region, _REGION_TYPE).casefold() == "face"
    ]
    windows = [_child(region, _WINDOWS_NAME) for region in _regions(found, _WINDOWS_REGIONS)]
    return [*faces, *windows, *_texts(found, _SHOWN)]


def _regions(found: _Packet, name: str) -> list[Element]:
    """Every node below a property: writers nest regions in different ways."""
    value = found.get(name, "")
    return [] if isinstance(value, str) else list(value.iter())


def _child(node: Element, name: str) -> str:
    """A field of a structure, which may be an attribute or an element."""
    texts = [value for tag, value in node.items() if _named(tag) == name]
    return next(iter(texts), "") or next((_own(child) for child in node if _named(child.tag) == name), "")
