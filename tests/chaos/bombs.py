"""Small files that say they are huge, and what is no picture under a picture's name."""

import io
import struct
import zlib

from PIL import Image

HUGE = 50_000


def written(image, format_, **options):
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def patched(data, *changes):
    """*data* with one thing in place of another, each of them found exactly where it is looked for."""
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    return data


def png_bomb():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", HUGE, HUGE, 1, 0, 0, 0, 0)
    row = zlib.compressobj(9)
    body = b"".join(row.compress(bytes(HUGE // 8 + 1)) for _ in range(HUGE)) + row.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bombs():
    """By file name: pictures of 50,000 x 50,000 pixels in every format, each a small file."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    small = Image.new("RGB", (48, 32), "red")
    sides, shorts = struct.pack(">II", 48, 32), struct.pack(">HH", 32, 48)
    box, boxes = b"ispe\0\0\0\0", struct.pack(">II", HUGE, HUGE)
    avif, heic = written(small, "AVIF"), written(small, "HEIF", quality=50)
    heic_size = heic[heic.index(box) + 8 :][:8]  # x265 pads to its blocks
    avif_bomb = patched(avif, (box + sides, box + boxes))
    tiff = written(small.convert("1"), "TIFF", compression="group4")
    for tag, side in ((256, 48), (257, 32), (278, 32)):
        old = next(
            struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", side)
            for kind in (3, 4)
            if struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", side) in tiff
        )
        tiff = tiff.replace(old, struct.pack("<HHII", tag, 4, 1, HUGE))
    webp = written(small.convert("RGBA"), "WEBP", exif=b"Exif\0\0" + bytes(8))
    canvas = (HUGE - 1).to_bytes(3, "little") * 2
    return {
        "bomb.png": png_bomb(),
        "bomb.tif": tiff,
        "bomb.gif": patched(
            written(small, "GIF"), (struct.pack("<HH", 48, 32), struct.pack("<HH", HUGE, HUGE))
        ),
        "bomb.webp": patched(webp, (webp[24:30], canvas)),
        "bomb.jpg": patched(
            written(small, "JPEG"), (b"\x08" + shorts, b"\x08" + struct.pack(">HH", HUGE, HUGE))
        ),
        "bomb.bmp": patched(
            written(small, "BMP"), (struct.pack("<ii", 48, 32), struct.pack("<ii", HUGE, HUGE))
        ),
        "bomb.jp2": patched(written(small, "JPEG2000"), (sides, boxes), (struct.pack(">II", 32, 48), boxes)),
        "bomb.avif": avif_bomb,
        "bomb.heic": patched(heic, (box + heic_size, box + boxes)),
        # What lies about what is in it: AVIF called HEIC, JPEG 2000 inside HEIC.
        "av1.heic": patched(avif_bomb, (b"ftypavif", b"ftypheic")),
        "j2k.heic": patched(heic, (box + heic_size, box + boxes), (b"hvc1", b"j2k1")),
    }


REFUSED = {
    "drawing.jpg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    "program.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "document.jpg": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n",
    "icon.png": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(1128),
}
