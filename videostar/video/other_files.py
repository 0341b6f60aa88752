"""What a file is that is not a video, so that users know what went wrong."""

from __future__ import annotations

import re
from io import BufferedReader

PICTURE_BRANDS = {"avif", "heic", "heix", "mif1"}  # of single pictures in the container of mp4
_LOOKED_AT = 1024  # bytes
_AGAIN = "download the video again"
PICTURE = "a picture; videos of pictures are folders of them"
_ARCHIVE = "unpack it"
_SOUND = "only sound; give the video"
_LIST = "a playlist, which names files elsewhere; give the videos themselves"

# How files begin, in lower case for text, with what they are and the way out.
_TEXTS = (
    (r"version https://git-lfs", "a Git LFS pointer, not the file itself; run git lfs pull"),
    (r"(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*<(!doctype html|html|head|body)", f"a web page; {_AGAIN}"),
    (r"<\?xml.*<mpd", _LIST),
    (r"<\?xml|<error", f"an XML file, such as a server's error; {_AGAIN}"),
    (r"#extm3u|ffconcat|\[playlist\]", _LIST),
    (r"[{\[]", f"a JSON file, such as a server's error; {_AGAIN}"),
)
_BYTES = (
    (rb"\xff\xd8\xff|\x89PNG\r|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*", PICTURE),
    (rb"PK\x03\x04", f"a zip archive; {_ARCHIVE}"),
    (rb".{257}ustar", f"a tar archive; {_ARCHIVE}"),
    (rb"\x1f\x8b", f"a gzip archive; {_ARCHIVE}"),
    (rb"7z\xbc\xaf|Rar!|\xfd7zXZ|BZh|\x28\xb5\x2f\xfd", f"an archive; {_ARCHIVE}"),
    (rb"ID3|RIFF....WAVE|fLaC|\xff[\xf1\xf9\xfb\xf3]", _SOUND),
    (rb"%PDF", "a PDF; give the video"),
    (rb"\0{512}", f"a file that begins with zeros, as unfinished downloads do; {_AGAIN}"),
)


def describe(file: BufferedReader) -> str:
    """What `file` is instead of a video, with the way out; empty if that is unknown."""
    file.seek(0)
    start = file.read(_LOOKED_AT)
    for mark, what in _BYTES:
        if re.match(mark, start, re.DOTALL):
            return what
    if re.search(rb"[\0-\x08\x0e-\x1f]", start):  # not text
        return ""
    text = start.decode("utf-8-sig", "replace").lstrip().lower()
    for pattern, what in _TEXTS:
        if re.match(pattern, text, re.DOTALL):
            return what
    return "a text file; give the video itself"
