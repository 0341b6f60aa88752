"""What a video file is, once it is known to be one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from videostar.video.container import open_file
from videostar.video.reader import open_reader


@dataclass(frozen=True)
class VideoFacts:
    """A video file that opens, is within the budgets, is as long as it says, and shows its first picture."""

    seconds: float  # from when the first picture appears until the last one goes
    fps: float  # pictures per second, on average
    width: int  # pixels of a picture as stored: neither turned nor stretched for display
    height: int
    frames: int | None  # as declared in the file, if declared
    codec: str  # ffmpeg's name, such as "h264"
    sha256: str  # hexadecimal, of the whole file
    bytes: int


def probe(path: Path) -> VideoFacts:
    """Reads all of the file once for its digest and once for its packets, and decodes one picture. Raises BadVideo."""
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
