"""What may be a picture: by its name, and by its content. Constants only: the daemon reads them without Pillow.

History of DECODER (a higher number gives every content that failed another try)
  1  first version
"""

DECODER = 1

# By name: what a scan takes up. The content decides in the end.
EXTENSIONS = frozenset(
    b".jpg .jpeg .jpe .jfif .png .apng .webp .gif .tif .tiff .bmp .dib .heic .heif .hif .avif .jp2 .j2k .jpx".split()
)
# Files that somebody is still writing under another name.
TEMPORARY = (b".part", b".crdownload", b".tmp", b".partial", b".download", b"~")

# By content, as Pillow names them. EPS, PDF and the like run programs; formats in which nobody keeps photographs
# are only attack surface.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "HEIF", "JPEG2000")
