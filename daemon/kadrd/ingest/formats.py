"""What may be a picture: by its name, and by its content. Constants only: the daemon reads them without Pillow.

History of DECODER (a higher number gives every content that failed another try)
  1  first version
  2  camera RAW; the limit of pixels holds for every picture, however many are decoded beside it

History of FACTS (a higher number has every file read again for what it says; nothing is encoded)
  1  first version
"""

DECODER = 2
FACTS = 1

# By name: what a scan takes up. The content decides in the end.
EXTENSIONS = frozenset(
    b".jpg .jpeg .jpe .jfif .png .apng .webp .gif .tif .tiff .bmp .dib .heic .heif .hif .avif .jp2 .j2k .jpx "
    # Camera RAW. Not .raw, which half of the world's programs write, nor what holds no mark that raw.py could know it by.
    b".3fr .arw .cr2 .cr3 .crw .dng .erf .fff .iiq .kdc .mef .mrw .nef .nrw .orf .pef .raf .rw2 .rwl .sr2 .srw .x3f".split()
)
# Beside a picture, under its whole name or its name without ending: what programs say of it that do not touch the picture.
SIDECAR = b".xmp"
# Begins the names of what we are writing in a user's folder ourselves (tag/swap.py).
UNFINISHED = b".kadr-"
# Files that somebody is still writing under another name.
TEMPORARY = (b".part", b".crdownload", b".tmp", b".partial", b".download", b"~")

# By content, as Pillow names them. EPS, PDF and the like run programs; formats in which nobody keeps photographs
# are only attack surface. Camera RAW is not among them: raw.py knows it, and Pillow would show its thumbnail.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "HEIF", "JPEG2000")
