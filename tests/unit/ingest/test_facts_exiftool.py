"""What kadr reads from pictures is what exiftool, an independent reader, reads from them, field by field.

`pytest -s` prints the share for each field. Every difference stands in EXPLAINED, and one that is gone has to leave it.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
import math
import re
import shutil
import subprocess
from collections import defaultdict

import pytest

from kadrd.ingest import facts
from kadrd.values import Facts

ENOUGH = 0.99

# Where exiftool keeps each field, in the order in which kadr believes the blocks. A date is followed by its offset.
TEXTS = {
    "make": ("IFD0:Make", "XMP-tiff:Make"),
    "model": ("IFD0:Model", "XMP-tiff:Model"),
    "lens": ("ExifIFD:LensModel", "IFD0:LensModel", "Canon:LensModel", "XMP-exifEX:LensModel", "XMP-aux:Lens"),
    "software": ("IFD0:Software", "XMP-tiff:Software", "XMP-xmp:CreatorTool"),
    "title": ("XMP-dc:Title", "IPTC:ObjectName", "IFD0:XPTitle"),
    "description": (
        "XMP-dc:Description", "IPTC:Caption-Abstract", "IFD0:ImageDescription", "ExifIFD:UserComment",
        "IFD0:UserComment", "IFD0:XPComment",
    ),
}  # fmt: skip
NUMBERS = {
    "iso": ("ExifIFD:ISO", "IFD0:ISO", "XMP-exif:ISO"),
    "aperture": ("ExifIFD:FNumber", "IFD0:FNumber", "ExifIFD:ApertureValue", "XMP-exif:FNumber"),
    "exposure": (
        "ExifIFD:ExposureTime",
        "IFD0:ExposureTime",
        "ExifIFD:ShutterSpeedValue",
        "XMP-exif:ExposureTime",
    ),
    "focal": ("ExifIFD:FocalLength", "IFD0:FocalLength", "XMP-exif:FocalLength"),
    "orientation": ("IFD0:Orientation",),
    "rating": ("XMP-xmp:Rating", "IFD0:Rating"),
}
LISTS = {
    "keywords": (
        "XMP-dc:Subject", "XMP-digiKam:TagsList", "XMP-lr:HierarchicalSubject", "XMP-microsoft:LastKeywordXMP",
        "IPTC:Keywords", "IFD0:XPKeywords",
    ),
}  # fmt: skip
TREES = ("XMP-lr:HierarchicalSubject", "XMP-digiKam:TagsList", "XMP-microsoft:LastKeywordXMP")
DATES = (
    (("ExifIFD:DateTimeOriginal", "ExifIFD:OffsetTimeOriginal"), ("IFD0:DateTimeOriginal", ""),
     ("XMP-exif:DateTimeOriginal", ""), ("XMP-photoshop:DateCreated", ""), ("IPTC:DateCreated", "IPTC:TimeCreated")),
    (("ExifIFD:CreateDate", "ExifIFD:OffsetTimeDigitized"), ("IFD0:CreateDate", ""), ("XMP-exif:DateTimeDigitized", ""),
     ("XMP-xmp:CreateDate", ""), ("IPTC:DigitalCreationDate", "IPTC:DigitalCreationTime")),
    (("IFD0:ModifyDate", "ExifIFD:OffsetTime"),),
    (("GPS:GPSDateStamp", "GPS:GPSTimeStamp"), ("XMP-exif:GPSDateTime", "")),
)  # fmt: skip

# (file, field, why): each difference between kadr and exiftool.
MACHINE = "cameras write it where a description belongs; it describes nothing"
EXPLAINED = (
    *((file, "description", MACHINE) for file in (
        "*/panorama360.jpg", "*/snow.jpg", "*/gopro_hd2.jpg", "*/Konica_Minolta_DiMAGE_Z3.jpg", "*/olympus-c960.jpg",
        "*/sanyo-vpc*.jpg", "*/42_IndexError.jpg", "*/corrupted.jpg", "*/el_torcal_rocks.jp*g",
    )),
    ("*/date.heic.xmp", "longitude", "the side stands apart, in GPSLongitudeRef: W; exiftool leaves the sign out"),
    ("*/altitude.jpg", "altitude", "4,294,967,284 metres are a negative number gone wrong"),
)  # fmt: skip


def rows(folder):
    """What exiftool says of every file below *folder*, numbers as they are written."""
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed")
    command = ["exiftool", "-r", "-n", "-j", "-G1", "-struct", "-m", "-q", "-all", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=50)
    return json.loads(done.stdout, parse_float=str, parse_int=str)


def one_line(text):
    return " ".join(str(text).split())


def first(row, names, read):
    return next(
        (found for name in names if name in row and (found := read(row[name])) not in (None, "")), None
    )


def number(value):
    if isinstance(value, list):
        value = value[0]
    try:
        found = float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
    return found if math.isfinite(found) else None


def positive(value):
    found = number(value)
    return found or None


def items(value, *, tree=False):
    texts = value if isinstance(value, list) else str(value).split(";") if tree is None else [value]
    return [one_line(text).replace("|", "/") if tree else one_line(text) for text in texts]


def seconds(text):
    found = re.match(r"(\d{4}):(\d\d):(\d\d)(?: (\d\d):(\d\d)(?::(\d\d))?)?", text)
    try:
        clock = dt.datetime(*(int(part or 0) for part in found.groups()), tzinfo=dt.UTC)
    except (AttributeError, ValueError):
        return None
    return int(clock.timestamp())


def minutes(text):
    found = re.search(r"([+-])(\d\d):?(\d\d)$|(Z)$", text.strip())
    if not found:
        return None
    return 0 if found[4] else int(found[1] + "1") * (int(found[2]) * 60 + int(found[3]))


def clocks(row):
    """(seconds, offset) of every date in the row, best first."""
    for tier in DATES:
        for day, more in tier:
            text, apart = str(row.get(day, "")), str(row.get(more, ""))
            if day.startswith("IPTC") or (day.startswith("GPS") and apart):
                text = f"{text} {apart}"
            if seconds(text) is None or (
                day == "IFD0:ModifyDate" and not {"IFD0:Make", "IFD0:Model"} & row.keys()
            ):
                continue
            if day.startswith("GPS:") and not apart:
                continue
            utc = "GPS" in day
            yield (
                seconds(text),
                0 if utc else minutes(text) if minutes(text) is not None else minutes(apart),
                utc,
            )


def taken(row):
    found = list(clocks(row))
    if not found:
        return None, None
    best, offset, _ = found[0]
    same = [other for clock, other, _ in found if clock == best and other is not None]
    if offset is None and same:
        offset = same[0]
    utc = next((clock for clock, _, satellite in found if satellite), None)
    if offset is None and utc is not None:
        quarters = round((best - utc) / 900)
        if abs(best - utc - quarters * 900) <= 120 and -48 <= quarters <= 56:
            offset = quarters * 15
    return best, offset


def position(row):
    sides = {"N": 1, "S": -1, "E": 1, "W": -1}
    found = []
    for axis in ("Latitude", "Longitude"):
        value = number(row.get(f"GPS:GPS{axis}", ""))
        side = sides.get(str(row.get(f"GPS:GPS{axis}Ref", ""))[:1].upper())
        if value is None or side is None:
            value, side = number(row.get(f"XMP-exif:GPS{axis}", "")), 1
        found.append(None if value is None else value * side)
    if None in found or found == [0, 0] or abs(found[0]) > 90 or abs(found[1]) > 180:
        return None, None, None
    name = "GPS:GPSAltitude" if "GPS:GPSLatitude" in row else "XMP-exif:GPSAltitude"
    altitude = number(row.get(name, ""))
    if altitude is not None and row.get(name + "Ref") == "1":
        altitude = -abs(altitude)
    return *found, altitude


def people(row):
    names = [
        region.get("Name", "")
        for region in row.get("XMP-mwg-rs:RegionInfo", {}).get("RegionList", [])
        if region.get("Type") == "Face"
    ]
    names += [r.get("PersonDisplayName", "") for r in row.get("XMP-MP:RegionInfoMP", {}).get("Regions", [])]
    return [*names, *items(row.get("XMP-iptcExt:PersonInImage", []))]


def expected(row):
    """The same fields as Facts has, out of exiftool's row."""
    said = {field: first(row, names, one_line) for field, names in TEXTS.items()}
    said |= {field: first(row, names, positive) for field, names in NUMBERS.items()}
    said["rating"] = first(row, NUMBERS["rating"], number)
    said["orientation"] = said["orientation"] or 1
    said["keywords"] = [
        text
        for name in LISTS["keywords"]
        for text in items(row.get(name, []), tree=None if name == "IFD0:XPKeywords" else name in TREES)
    ]
    said["people"] = people(row)
    said["taken"], said["offset"] = taken(row)
    said["latitude"], said["longitude"], said["altitude"] = position(row)
    return said


def equal(ours, theirs):
    if isinstance(ours, tuple):
        return {one_line(text) for text in ours} == {text for text in theirs if text}
    if isinstance(ours, str):
        return one_line(ours) == (theirs or "")
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=1e-4, abs_tol=1e-9)


def compared(data):
    """(file, field, ours, theirs) of everything that either of the two says."""
    top = data / "exif"
    for row in rows(top):
        file = row["SourceFile"].removeprefix("./")
        xmp = row.get("File:FileType") == "XMP"
        unread = xmp and not any(
            name.startswith("XMP-") for name in row
        )  # UTF-16 with two marks of its byte order
        if unread or row.get("File:FileType") in (None, "TXT"):
            continue
        content = (top / file).read_bytes()
        found = facts.read(b"" if xmp else content, [content] if xmp else [], [])._asdict()
        for field, theirs in expected(row).items():
            if found[field] not in (None, "", ()) or theirs not in (None, "", []):
                yield file, field, found[field], theirs


def explained(file, field):
    return any(fnmatch.fnmatch(file, pattern) and field in fields.split() for pattern, fields, _ in EXPLAINED)


@pytest.mark.data
def test_facts_equal_those_of_an_independent_reader(data):
    """At least 99 in 100 fields are what exiftool reads, and every other one is explained."""
    said, same, differences = defaultdict(int), defaultdict(int), []
    for file, field, ours, theirs in compared(data):
        said[field] += 1
        if equal(ours, theirs):
            same[field] += 1
        else:
            differences.append((file, field, ours, theirs))
    for field in (*Facts._fields, "all"):
        if field == "all":
            same[field], said[field] = sum(same.values()), sum(said.values())
        if said[field]:
            print(f"{field:12} {same[field]:5} of {said[field]:5} equal  {same[field] / said[field]:.2%}")
    unexplained = [one for one in differences if not explained(*one[:2])]
    for one in differences:
        print("explained" if one not in unexplained else "UNEXPLAINED", *map(repr, one))
    assert not unexplained
    stale = [
        entry for entry in EXPLAINED
        if not any(fnmatch.fnmatch(file, entry[0]) and field in entry[1].split() for file, field, *_ in differences)
    ]  # fmt: skip
    assert not stale, "no difference any more"
    assert same["all"] >= ENOUGH * said["all"]
