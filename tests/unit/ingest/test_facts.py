"""What a picture says of itself: read out of every container, believed in the right order, and only what can be true."""

from __future__ import annotations

import datetime as dt
import io
import struct

import pytest
from PIL import Image, PngImagePlugin

from kadrd.ingest import facts
from kadrd.values import Facts

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKE, MODEL, CHANGED, SOFTWARE, DESCRIPTION, RATING = 0x010F, 0x0110, 0x0132, 0x0131, 0x010E, 0x4746
ORIGINAL, DIGITISED, OFFSET, COMMENT, LENS = 0x9003, 0x9004, 0x9011, 0x9286, 0xA434
NAMES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "aux": "http://ns.adobe.com/exif/1.0/aux/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "digiKam": "http://www.digikam.org/ns/1.0/",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "MP": "http://ns.microsoft.com/photo/1.2/",
        "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
        "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }.items()
)


def exif(main=(), camera=(), gps=()):
    block = Image.Exif()
    block.update(dict(main))
    block.get_ifd(EXIF_IFD).update(dict(camera))
    block.get_ifd(GPS_IFD).update(dict(gps))
    return block.tobytes().removeprefix(b"Exif\0\0")


def xmp(inner="", attributes=""):
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {NAMES} {attributes}>{inner}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def bag(name, *words, kind="Bag"):
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in words)
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"


def iim(*sets):
    return b"".join(struct.pack(">BBBH", 0x1C, *key, len(value)) + value for key, value in sets)


def resource(block):
    return b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def saved(format_, **options):
    out = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(out, format_, **options)
    return out.getvalue()


def jpeg(block=b"", packet=b"", iptc=b""):
    """A JPEG's head with these blocks: what comes behind it is not read."""
    out = b"\xff\xd8"
    for marker, body in (
        (0xE1, b"Exif\0\0" + block if block else b""),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet if packet else b""),
        (0xED, resource(iptc) if iptc else b""),
    ):
        out += struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body if body else b""
    return out + b"\xff\xda\0\2"


def read(data=b"", *sidecars, tags=()):
    return facts.read(data, sidecars, tags)


def seconds(*clock):
    return int(dt.datetime(*clock, tzinfo=dt.UTC).timestamp())


def png(block, packet):
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    return saved("PNG", exif=block, pnginfo=texts)


def png_of_profiles(block, packet):
    texts = PngImagePlugin.PngInfo()
    for name, body in (("exif", b"Exif\0\0" + block), ("xmp", packet)):
        texts.add_text(f"Raw profile type {name}", f"\n{name}\n{len(body):8}\n{body.hex()}\n", zip=True)
    return saved("PNG", pnginfo=texts)


def jp2(block, packet):
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    return saved("JPEG2000") + box(b"uuid", b"JpgTiffExif->JP2" + block) + box(b"uuid", uuid + packet)


def cr3(block, packet):
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    moov = box(b"moov", box(b"uuid", canon + box(b"CNCV", b"x") + box(b"CMT1", block)))
    return box(b"ftyp", b"crx \0\0\0\1") + moov + box(b"uuid", uuid + packet)


def heif(block, packet):
    pytest.importorskip("pillow_heif").register_heif_opener()
    return saved("HEIF", exif=block, xmp=packet)


CONTAINERS = {
    "jpeg": lambda block, packet: saved("JPEG", exif=b"Exif\0\0" + block, xmp=packet),
    "png": png,
    "png of ImageMagick": png_of_profiles,
    "webp": lambda block, packet: saved("WEBP", exif=block, xmp=packet),
    "tiff": lambda block, packet: saved("TIFF", tiffinfo={MAKE: "Acme", 700: packet}),
    "heif": heif,
    "avif": lambda block, packet: saved("AVIF", exif=block, xmp=packet),
    "jpeg 2000": jp2,
    "cr3": cr3,
    "raf": lambda block, packet: b"FUJIFILMCCD-RAW".ljust(84) + struct.pack(">I", 90) + b"  " + jpeg(block, packet),
    "mrw": lambda block, packet: b"\0MRM" + struct.pack(">I4sI", 9999, b"\0TTW", len(block)) + block,
    "x3f": lambda block, packet: b"FOVb" + bytes(100) + jpeg(block, packet),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container(name):
    """A camera in EXIF and a title in XMP are found in every format that keeps both."""
    title = bag("dc:title", "Морозний ранок", kind="Alt")
    found = read(CONTAINERS[name](exif({MAKE: "Acme"}), xmp(title)))
    assert found.make == "Acme"
    assert found.title == ("" if name == "mrw" else "Морозний ранок")


def test_xmp_of_gif():
    """The packet that programs put into a GIF is found."""
    extension = (
        b"\x21\xff\x0bXMP DataXMP" + xmp("", 'xmp:Rating="4"') + b"\1\xff\xfe\xfd" + bytes(range(252, -1, -1))
    )
    assert read(saved("GIF")[:-1] + extension + b"\0;").rating == 4


def test_position_of_cr3():
    """Canon's newest RAW keeps the position and the camera's settings in blocks of their own."""
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    camera = exif({ORIGINAL: "2024:06:30 18:05:00", OFFSET: "+03:00"})
    place = exif({1: "N", 2: (50.0, 27.0, 0.0), 3: "E", 4: (30.0, 30.0, 0.0)})
    parts = box(b"CMT1", exif({MAKE: "Canon"})) + box(b"CMT2", camera) + box(b"CMT4", place)
    found = read(box(b"ftyp", b"crx \0\0\0\1") + box(b"moov", box(b"uuid", canon + parts)))
    assert (found.make, found.offset, found.latitude, found.longitude) == ("Canon", 180, 50.45, 30.5)


def test_long_packet():
    """XMP that is too long for one segment of a JPEG is put together again."""
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    rest = xmp(bag("dc:subject", "sea", "x" * 70_000))
    out = jpeg(b"", xmp(f"<photoshop:Instructions>{guid.decode()}</photoshop:Instructions>"))[:-4]
    for at in range(0, len(rest), 60_000):
        piece = (
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid
            + struct.pack(">II", len(rest), at)
            + rest[at : at + 60_000]
        )
        out += struct.pack(">BBH", 0xFF, 0xE1, len(piece) + 2) + piece
    assert read(out + b"\xff\xda\0\2").keywords[0] == "sea"


def test_camera():
    """Make, model, lens, software and exposure are as the camera wrote them, without padding."""
    found = read(jpeg(exif(
        {MAKE: "NIKON CORPORATION\0\0", MODEL: "NIKON D850 ", SOFTWARE: "Ver.1.20 "},
        {LENS: "24-70mm f/2.8", 0x829A: 0.004, 0x829D: 2.8, 0x8827: 400, 0x920A: 35.0},
    )))  # fmt: skip
    assert (found.make, found.model, found.software) == ("NIKON CORPORATION", "NIKON D850", "Ver.1.20")
    assert (found.lens, found.iso, found.aperture, found.focal) == ("24-70mm f/2.8", 400, 2.8, 35)
    assert found.exposure == pytest.approx(0.004)


def test_values_that_say_unknown():
    """Zero, dashes and impossible numbers are how cameras write that they do not know."""
    block = exif({MODEL: "----"}, {LENS: "--", 0x829A: 0.0, 0x829D: 0.0, 0x8827: 0, 0x920A: 0.0})
    assert read(jpeg(block)) == Facts()


def test_high_iso():
    """Where 16 bits do not do, the recommended index counts."""
    assert read(jpeg(exif((), {0x8827: 65535, 0x8830: 2, 0x8832: 102400}))).iso == 102400


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2024:06:30 18:05:09", (2024, 6, 30, 18, 5, 9)),
        ("1919:05:04 05:59:26", (1919, 5, 4, 5, 59, 26)),
        ("2024-06-30 18:05:09", (2024, 6, 30, 18, 5, 9)),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2024:02:30 10:00:00", None),
        ("2024:06:30 25:00:00", None),
        ("1700:01:01 00:00:00", None),
        ("9999:01:01 00:00:00", None),
        ("yesterday", None),
    ],
)
def test_dates(text, clock):
    """A date is what a calendar knows, in years in which photographs are taken."""
    assert read(jpeg(exif((), {ORIGINAL: text}))).taken == (clock and seconds(*clock))


def test_a_day_alone():
    """XMP may give a day without a time: its midnight; a year alone is no date."""
    day, year = (xmp("", f'photoshop:DateCreated="{text}"') for text in ("1985-07-01", "1985"))
    assert (read(b"", day).taken, read(b"", year).taken) == (seconds(1985, 7, 1), None)


def test_the_best_date_first():
    """The shutter's date is before the scanner's, that before the file's own, and that only where a camera wrote it."""
    dates = ["2001:01:01 01:01:01", "2002:02:02 02:02:02", "2003:03:03 03:03:03"]
    camera = {ORIGINAL: dates[0], DIGITISED: dates[1]}
    assert read(jpeg(exif({CHANGED: dates[2]}, camera))).taken == seconds(2001, 1, 1, 1, 1, 1)
    del camera[ORIGINAL]
    assert read(jpeg(exif({CHANGED: dates[2]}, camera))).taken == seconds(2002, 2, 2, 2, 2, 2)
    assert read(jpeg(exif({CHANGED: dates[2], MAKE: "Acme"}))).taken == seconds(2003, 3, 3, 3, 3, 3)
    assert read(jpeg(exif({CHANGED: dates[2]}))).taken is None


def test_the_offset_by_itself():
    """The offset is the camera's own, wherever a block has it for the same time."""
    camera = {ORIGINAL: "2024:06:30 18:05:00"}
    assert read(jpeg(exif((), camera | {OFFSET: "+05:45"}))).offset == 345
    assert read(jpeg(exif((), camera | {OFFSET: "+99:00"}))).offset is None
    packet = xmp("", 'exif:DateTimeOriginal="2024-06-30T18:05:00-03:30"')
    assert read(jpeg(exif((), camera), packet)).offset == -210
    other = xmp("", 'exif:DateTimeOriginal="2024-06-30T18:05:01-03:30"')
    assert read(jpeg(exif((), camera), other)).offset is None


@pytest.mark.parametrize(
    ("utc", "offset"), [((15.0, 5.0, 0.0), 180), ((15.0, 4.0, 10.0), 180), ((15.0, 13.0, 0.0), None)]
)
def test_the_offset_by_satellites(utc, offset):
    """The satellites' time tells the offset when the difference is one; a position that is old tells nothing."""
    gps = {7: utc, 29: "2024:06:30"}
    assert read(jpeg(exif((), {ORIGINAL: "2024:06:30 18:05:00"}, gps))).offset == offset


@pytest.mark.parametrize(
    ("gps", "position"),
    [
        ({1: "N", 2: (50.0, 27.0, 0.0), 3: "E", 4: (30.0, 30.0, 0.0)}, (50.45, 30.5)),
        ({1: "S", 2: (33.0, 30.0, 36.0), 3: "W", 4: (70.0, 0.0, 0.0)}, (-33.51, -70.0)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, (None, None)),
        ({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (30.0, 0.0, 0.0)}, (None, None)),
        ({1: "N", 2: (50.0, 0.0, 0.0), 3: "E", 4: (181.0, 0.0, 0.0)}, (None, None)),
        ({2: (50.0, 27.0, 0.0), 4: (30.0, 30.0, 0.0)}, (None, None)),
        ({1: "N", 2: (50.0, 27.0, 0.0)}, (None, None)),
    ],
)
def test_positions(gps, position):
    """A position has two numbers with their sides, on the globe, and is not where receivers begin."""
    found = read(jpeg(exif((), (), gps)))
    assert (found.latitude, found.longitude) == pytest.approx(position)


def test_position_divided_by_zero():
    """0/0 degrees are no position."""
    entries = [
        (1, 2, 2, b"N\0\0\0"),
        (2, 5, 3, struct.pack("<I", 80)),
        (3, 2, 2, b"E\0\0\0"),
        (4, 5, 3, struct.pack("<I", 80)),
    ]
    directory = struct.pack("<H", 4) + b"".join(struct.pack("<HHI", *e[:3]) + e[3] for e in entries)
    main = b"II*\0" + struct.pack("<IHHHIII", 8, 1, GPS_IFD, 4, 1, 26, 0)
    assert read(jpeg((main + directory).ljust(80, b"\0") + bytes(24))) == Facts()


def test_altitude():
    """Altitude is above the sea, or below it where EXIF says so."""
    place = {1: "N", 2: (31.0, 30.0, 0.0), 3: "E", 4: (35.0, 30.0, 0.0), 6: 430.5}
    assert read(jpeg(exif((), (), place | {5: b"\1"}))).altitude == -430.5
    assert read(jpeg(exif((), (), place | {5: b"\0"}))).altitude == 430.5


@pytest.mark.parametrize("text", ["50,27.0N", "50,27,0N", "50.45N", "50.45"])
def test_positions_of_xmp(text):
    """XMP writes a position in several ways."""
    found = read(b"", xmp("", f'exif:GPSLatitude="{text}" exif:GPSLongitude="30,30.0W"'))
    assert (found.latitude, found.longitude) == pytest.approx((50.45, -30.5))


def test_sidecars_win():
    """What a person corrected in a sidecar counts more than what the file says; the first sidecar counts most."""
    inside = jpeg(
        exif(
            {RATING: 1},
            {ORIGINAL: "2024:06:30 18:05:00"},
            {1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        ),
        xmp(bag("dc:title", "inside", kind="Alt"), 'xmp:Rating="2"'),
    )
    first = xmp(
        "",
        'xmp:Rating="5" exif:DateTimeOriginal="2020-01-01T10:00:00" exif:GPSLatitude="2,0N" exif:GPSLongitude="2,0E"',
    )
    second = xmp(bag("dc:title", "beside", kind="Alt"), 'xmp:Rating="3"')
    found = read(inside, first, second)
    assert (found.rating, found.title, found.latitude) == (5, "beside", 2)
    assert found.taken == seconds(2020, 1, 1, 10)
    assert read(inside).rating == 2


def test_cameras_win():
    """What was measured is the camera's; its copy in XMP counts where EXIF is silent."""
    packet = xmp("", 'tiff:Make="copy" aux:Lens="50mm" exif:FNumber="28/10"')
    found = read(jpeg(exif({MAKE: "Acme"}), packet))
    assert (found.make, found.lens, found.aperture) == ("Acme", "50mm", 2.8)


def test_keywords():
    """Keywords of all blocks are joined without doubles; trees are whole paths."""
    packet = xmp(
        bag("dc:subject", "Anna", "море", "Anna")
        + bag("digiKam:TagsList", "People/Anna", "places/Kyiv", kind="Seq")
        + bag("lr:hierarchicalSubject", "People|Anna", "places|Kyiv|Podil")
    )
    iptc = iim(((2, 25), "море".encode()), ((2, 25), b"beach"), ((2, 25), b" "))
    found = read(jpeg(exif({0x9C9E: "sand; sun;Anna\0".encode("utf-16-le")}), packet, iptc))
    assert found.keywords == (
        "Anna", "море", "People/Anna", "places/Kyiv", "places/Kyiv/Podil", "beach", "sand", "sun",
    )  # fmt: skip


def test_people():
    """Names of faces as several programs write them; of a region that is no face, none."""
    regions = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
        '<rdf:li><rdf:Description mwg-rs:Name="Олена" mwg-rs:Type="Face"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Rex</mwg-rs:Name><mwg-rs:Type>Pet</mwg-rs:Type></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Bob</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        '<rdf:li MPReg:PersonDisplayName="Bob"/><rdf:li MPReg:PersonDisplayName="Carl"/>'
        "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )
    assert read(b"", xmp(regions + bag("Iptc4xmpExt:PersonInImage", "Dora"))).people == (
        "Олена",
        "Bob",
        "Carl",
        "Dora",
    )


def test_titles_and_descriptions():
    """XMP's words are before IPTC's, IPTC's before EXIF's; of several languages the default one is taken."""
    languages = '<dc:description><rdf:Alt><rdf:li xml:lang="de">Hafen</rdf:li><rdf:li xml:lang="x-default">Harbour</rdf:li></rdf:Alt></dc:description>'
    block = exif({DESCRIPTION: "Port", 0x9C9B: "Windows\0".encode("utf-16-le")})
    iptc = iim(((2, 120), b"Dock"), ((2, 5), b"Ships"))
    found = read(jpeg(block, xmp(languages), iptc))
    assert (found.description, found.title) == ("Harbour", "Ships")
    assert read(jpeg(block, b"", iptc)).description == "Dock"
    assert (read(jpeg(block)).description, read(jpeg(block)).title) == ("Port", "Windows")


@pytest.mark.parametrize(
    "comment",
    [
        b"ASCII\0\0\0" + "озеро".encode(),
        b"UNICODE\0" + "озеро".encode("utf-16-le"),
        b"UNICODE\0" + "озеро".encode("utf-16"),
        bytes(8) + "озеро".encode(),
    ],
)
def test_user_comments(comment):
    """A user's comment describes the picture, in whatever code it says it is written."""
    assert read(jpeg(exif((), {COMMENT: comment}))).description == "озеро"


def test_user_comment_in_the_wrong_order():
    """Writers get UTF-16's byte order wrong: the zeros of Latin letters tell."""
    for code in ("utf-16-le", "utf-16-be"):
        assert read(jpeg(exif((), {COMMENT: b"UNICODE\0" + "lake".encode(code)}))).description == "lake"


@pytest.mark.parametrize(
    "text", ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "SAMSUNG", "DCIM\\100MEDIA\\DJI_0001.JPG"]
)
def test_what_cameras_write_for_descriptions(text):
    """A description that every picture of a camera has describes nothing."""
    assert read(jpeg(exif({DESCRIPTION: text}))).description == ""


def test_descriptions_that_sound_like_it():
    """A person may well write of a camera."""
    text = "Sony DSC test shots at the lake"
    assert read(jpeg(exif({DESCRIPTION: text}))).description == text


@pytest.mark.parametrize(
    ("text", "rating"),
    [("5", 5), ("3.0", 3), ("-1", -1), ("0", 0), ("7", None), ("good", None), ("NaN", None)],
)
def test_ratings(text, rating):
    """Ratings go from -1, rejected, to 5."""
    assert read(b"", xmp("", f'xmp:Rating="{text}"')).rating == rating


def test_iptc_in_other_letters():
    """IPTC that is no UTF-8 is Western European, as old programs wrote it."""
    assert read(jpeg(iptc=iim(((2, 5), "Café".encode("cp1252"))))).title == "Café"
    assert read(jpeg(iptc=iim(((1, 90), b"\x1b%G"), ((2, 5), "Київ".encode())))).title == "Київ"


def test_iptc_dates():
    """IPTC writes day and time apart, and the offset with the time."""
    found = read(jpeg(iptc=iim(((2, 55), b"20240630"), ((2, 60), b"180500+0300"))))
    assert (found.taken, found.offset) == (seconds(2024, 6, 30, 18, 5), 180)


def test_canon_before_2012():
    """Canon's older cameras keep the lens in their notes, which are a directory like the others."""
    lens = b"EF24-105mm f/4L IS USM\0"
    notes = struct.pack("<HHHIII", 1, 0x0095, 2, len(lens), 80, 0)
    camera = struct.pack("<HHHIII", 1, 0x927C, 7, len(notes), 100, 0)
    main = (
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + struct.pack("<HHII", MAKE, 2, 6, 74)
        + struct.pack("<HHIII", EXIF_IFD, 4, 1, 40, 0)
    )
    block = bytearray(200)
    for at, part in ((0, main), (40, camera), (74, b"Canon\0"), (80, lens[:20]), (100, notes)):
        block[at : at + len(part)] = part
    block[80:120] = lens.ljust(40, b"\0")
    block[120 : 120 + len(notes)] = notes
    block[40 : 40 + len(camera)] = struct.pack("<HHHIII", 1, 0x927C, 7, len(notes), 120, 0)
    assert read(jpeg(bytes(block))).lens == lens[:-1].decode()


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_sidecars_in_every_code(code):
    """A sidecar is read in each of Unicode's codes, with zeros behind it and a declaration in front."""
    text = '<?xml version="1.0" encoding="x"?>\n' + xmp(bag("dc:subject", "ліс")).decode() + "\0\0\n"
    assert read(b"", text.encode(code)).keywords == ("ліс",)


def test_controls_are_dropped():
    """No control character and no mark that turns text around gets into a fact."""
    packet = xmp(bag("dc:description", "one\r\n&#x9;two\u202egpj\x85", kind="Alt"))
    found = read(jpeg(exif({MAKE: "A\x1b[31mcme"}), packet))
    assert (found.make, found.description) == ("A[31mcme", "one\n twogpj")


def test_letters_that_are_none():
    """Bytes that are no UTF-8 are replaced, and the rest stays."""
    block = exif({MAKE: "Acmee"}).replace(b"Acmee", b"Acm\xe9e")
    assert read(jpeg(block)).make == "Acm\ufffde"


def test_bounds():
    """A string has 2,000 characters at most, a description 8,000; labels are 500 at most."""
    words = bag("dc:subject", *(f"word {number}" for number in range(900)))
    found = read(jpeg(exif({MAKE: "m" * 9_000, DESCRIPTION: "d" * 20_000}), xmp(words)))
    assert (len(found.make), len(found.description), len(found.keywords)) == (2_000, 8_000, 500)


def test_orientation_from_exif_alone():
    """The orientation is the one that the picture is turned by: EXIF's, never XMP's."""
    packet = xmp("", 'tiff:Orientation="6"')
    assert read(jpeg(exif({0x0112: 8}), packet)).orientation == 8
    assert read(jpeg(b"", packet)).orientation == 1
    assert read(jpeg(exif({0x0112: 9}))).orientation == 1


def test_tags_of_attributes():
    """The user's tags are taken as they are, without doubles."""
    assert read(b"", tags=("sea", " sea ", "sun")).tags == ("sea", "sun")


def test_names_of_sidecars():
    """A sidecar is named by the whole name, or by the name without its ending; the first wins."""
    assert facts.sidecar_names(b"IMG_1.CR2") == (b"IMG_1.CR2.xmp", b"IMG_1.xmp")
    assert facts.sidecar_names(b".jpg") == (b".jpg.xmp", b".jpg.xmp")
