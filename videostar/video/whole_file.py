"""Finds files that were cut off or joined where ffmpeg shows a part of them without a word."""

from __future__ import annotations

import os
from io import BufferedReader

from videostar.video.errors import BadVideo

_MAX_BOXES = 100_000  # that are read of an MP4


def check_whole(file: BufferedReader) -> None:
    """Raises BadVideo for a GIF without its end, and for several MP4 files in one: only the first would be shown."""
    file.seek(0)
    start = file.read(8)
    if start.startswith(b"GIF8"):
        file.seek(-min(os.fstat(file.fileno()).st_size, 512), os.SEEK_END)
        if not file.read().rstrip(b"\0\r\n").endswith(b";"):
            raise BadVideo("ends early", "the GIF has no end: it was cut off; copy it again")
    elif start[4:] == b"ftyp" and _movies(file) > 1:
        raise BadVideo(
            "joined",
            "several MP4 files in one; make one film of the parts: ffmpeg -f concat -i LIST_OF_PARTS -c copy OUT",
        )


def _movies(file: BufferedReader) -> int:
    """The number of `moov` boxes at the top level of an MP4 (ISO/IEC 14496-12, 4.2)."""
    place, movies = 0, 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            break
        size = int.from_bytes(head[:4], "big")
        movies += head[4:8] == b"moov"
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # 0: to the end of the file
            break
        place += size
    return movies
