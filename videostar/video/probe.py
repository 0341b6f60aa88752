"""Checks a video file and reads its properties."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from videostar.video.container import open_file
from videostar.video.reader import open_reader


@dataclass(frozen=True)
class VideoFacts:
    """The properties of a good video file."""

    seconds: float  # from the start of the first picture to the end of the last one
    fps: float  # average frame rate
    width: int  # pixels of a stored picture, before rotation and scaling for display
    height: int
    frames: int | None  # as declared in the file
    codec: str  # ffmpeg's name, such as "h264"
    sha256: str  # hexadecimal, of the whole file
    bytes: int


def probe(path: Path) -> VideoFacts:
    """Reads all of the file (twice: digest, packets) and decodes its first picture. Raises BadVideo if it is bad."""
    with open_file(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with open_reader(file) as video:
            return VideoFacts(
                seconds=video.seconds,
                fps=video.fps,
                width=video.first.width,
                height=video.first.height,
                frames=video.declared_frames,
                codec=video.codec,
                sha256=sha256,
                bytes=os.fstat(file.fileno()).st_size,
            )
