"""Checks a video file and reads its properties."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from videostar.util.object_path import ObjectPath
from videostar.video.container import FileStatus, is_folder, open_file, stat_file
from videostar.video.frame_folder import FrameFolder
from videostar.video.reader import open_reader


@dataclass(frozen=True)
class VideoFacts:
    """The properties of a good video."""

    seconds: float  # from the start of the first picture to the end of the last one
    fps: float  # average frame rate
    width: int  # pixels of a stored picture, before rotation and scaling for display
    height: int
    frames: int | None  # as declared in the file
    codec: str  # ffmpeg's name, such as "h264"
    sha256: str  # hexadecimal, of the whole file
    bytes: int


def probe(path: Path, rate: float | None = None) -> VideoFacts:
    """Reads all of a video (twice: digest, packets) and decodes its first picture. Raises BadVideo if it is bad.

    `rate`: pictures per second of a folder of pictures or of a raw stream, which do not state it.
    """
    if is_folder(path):
        return _probe_folder(FrameFolder.open(path, rate))
    with open_file(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with open_reader(file, rate=rate) as video:
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


def stat_video(path: Path, rate: float | None = None) -> FileStatus:
    """The status of a file, or of all pictures of a folder. Raises BadVideo if they cannot be a video."""
    is_pictures = not isinstance(path, ObjectPath) and is_folder(path)
    return FrameFolder.open(path, rate).status if is_pictures else stat_file(path)


def _probe_folder(folder: FrameFolder) -> VideoFacts:
    width, height = folder.check()
    return VideoFacts(
        seconds=folder.seconds,
        fps=folder.fps,
        width=width,
        height=height,
        frames=len(folder.pictures),
        codec=f"{folder.pictures[0].suffix.lower()} pictures",
        sha256=folder.sha256,
        bytes=folder.status.size,
    )
