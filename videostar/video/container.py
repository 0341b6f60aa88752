"""Open a video file safely: what ffmpeg may touch, what it may spend, and one kind of error for all that fails."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from videostar.video.errors import BadVideo

# Formats that hold their pictures themselves. Never one that names other files or devices: ffmpeg takes any text
# beginning with `ffconcat version 1.0` for a playlist, whatever its file is called, and opens what it lists.
FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"

MAX_PICTURE_PIXELS = 8192 * 4608  # 8K
MAX_SIDE = 16384  # pixels
# For what decoders meet, which need not be what headers say.
PICTURE_BUDGET = {"max_pixels": str(MAX_PICTURE_PIXELS)}


def stat_file(path: Path) -> os.stat_result:
    """What the system says of the regular, non-empty file at `path`, unopened. Raises BadVideo."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unopened(error) from None
    if not stat.S_ISREG(facts.st_mode):
        raise BadVideo("not a video", "a folder or a device, not a file")
    if facts.st_size == 0:
        raise BadVideo("empty", "zero bytes")
    return facts


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """The regular, non-empty file at `path`, open for reading. Raises BadVideo, also for a read that fails inside."""
    stat_file(path)  # first, because opening a pipe waits for its writer
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unopened(error) from error
    with file:
        try:
            yield file
        except OSError as error:  # a failing disk
            raise BadVideo("unreadable", _why(error)) from error


@contextmanager
def open_video(file: BufferedReader) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container in `file`, from its beginning, and its first stream of moving pictures, within the budgets.

    Raises BadVideo, also for whatever ffmpeg raises inside the `with` block.
    """
    file.seek(0)
    try:
        # No name and no protocol, so that nothing else can be opened from inside it.
        container = av.open(
            _Bytes(file),
            mode="r",
            options=PICTURE_BUDGET,
            container_options={"format_whitelist": FORMATS, "protocol_whitelist": "none"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        why = f"no known video format, or a header that is damaged or cut off ({_why(error)})"
        raise BadVideo("not a video", why) from error
    with container:
        try:
            yield container, _moving_pictures(container)
        except (av.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError) as error:
            raise BadVideo("unreadable", _why(error)) from error


class _Bytes:
    """What ffmpeg may know of a file: its content, and not its name."""

    def __init__(self, file: BufferedReader) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int) -> int:
        """As for files, but a bad offset is answered as C does: PyAV would print an exception to the terminal."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


def _moving_pictures(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise BadVideo("no video stream", "only sound, text or a cover picture")
    stream = streams[0]
    if not stream.codec_context:
        raise BadVideo("unreadable", "no decoder for its pictures")
    check_size(stream.width, stream.height)
    return stream


def check_size(width: int, height: int) -> None:
    """Raises BadVideo("too large", ...) for pictures of so many pixels."""
    if width * height > MAX_PICTURE_PIXELS or max(width, height) > MAX_SIDE:
        limit = f"at most {MAX_PICTURE_PIXELS} pixels and {MAX_SIDE} a side"
        raise BadVideo("too large", f"pictures of {width} x {height}; {limit}")


def _unopened(error: OSError | ValueError) -> BadVideo:
    gone = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
    return BadVideo("missing", "no such file") if gone else BadVideo("unreadable", _why(error))


def _why(error: Exception) -> str:
    """ffmpeg's or the system's own words, without the call or the name that they are about."""
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
