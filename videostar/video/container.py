"""Opens video files safely: limits what ffmpeg may open and use, and turns all failures into BadVideo."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from videostar.video.errors import BadVideo
from videostar.video.other_files import PICTURE, PICTURE_BRANDS, describe
from videostar.video.whole_file import check_whole

# Formats that contain their pictures. Formats that name other files or devices must not be here: ffmpeg takes any file
# that starts with `ffconcat version 1.0` for a playlist and opens the files that it lists.
FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,mxf,dv,ivf,yuv4mpegpipe"
# Formats without times, and their names for users. Their pictures are shown at a rate that the user states.
RAW_FORMATS = {
    "h264": "H.264",
    "hevc": "HEVC",
    "mpegvideo": "MPEG-1 or MPEG-2",
    "m4v": "MPEG-4",
    "av1": "AV1",
    "obu": "AV1",
}

MAX_PICTURE_PIXELS = 8192 * 4608  # 8K
MAX_SIDE = 16384  # pixels
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_IMAGE_CODECS = {"bmp", "jpeg2000", "mjpeg", "png", "tiff", "webp"}  # used for covers, but also for films
_THUMBNAIL = 4  # a stream with so many times fewer pixels than another shows that one's thumbnails
# The limit for decoders, since pictures may be larger than headers say.
PICTURE_BUDGET = {"max_pixels": str(MAX_PICTURE_PIXELS)}


class FileStatus(NamedTuple):
    """A status that differs once a file has changed."""

    size: int  # bytes
    mtime_ns: int
    ctime_ns: int  # since a copy may have the mtime of the old file


def stat_file(path: Path) -> FileStatus:
    """The status of the file at `path`. Raises BadVideo unless it is a regular file that is not empty."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _not_opened(error) from None
    if not stat.S_ISREG(facts.st_mode):
        raise BadVideo("not a video", "a folder, a pipe or a device, not a file")
    if facts.st_size == 0:
        raise BadVideo("empty", "zero bytes")
    return FileStatus(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`. False if that cannot be checked: opening it will then raise the reason."""
    try:
        return path.is_dir()
    except OSError:
        return False


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Opens the regular, non-empty file at `path`. Raises BadVideo, also if a read inside the block fails."""
    stat_file(path)  # before opening it, since opening a pipe waits for its writer
    try:
        file = path.open("rb")
    except OSError as error:
        raise _not_opened(error) from error
    with file:
        try:
            yield file
        except OSError as error:  # a failing disk
            raise BadVideo("unreadable", _why(error)) from error


@contextmanager
def open_video(file: BufferedReader) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the container in `file` from its beginning, and yields it with its first video stream.

    Raises BadVideo if that fails or the pictures are too large, and for all errors of ffmpeg inside the block.
    """
    check_whole(file)
    file.seek(0)
    try:
        # Without a name and protocols, ffmpeg cannot open other files that the container names.
        container = av.open(
            _Bytes(file),
            mode="r",
            options=PICTURE_BUDGET,
            container_options={"format_whitelist": ",".join([FORMATS, *RAW_FORMATS]), "protocol_whitelist": "none"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        unknown = f"no known video format, or a header that is damaged or cut off ({_why(error)})"
        raise BadVideo("not a video", describe(file) or unknown) from error
    with container:
        try:
            if container.metadata.get("major_brand") in PICTURE_BRANDS:
                raise BadVideo("not a video", PICTURE)
            yield container, _moving_pictures(container)
        except (av.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError) as error:
            raise BadVideo("unreadable", _why(error)) from error


class _Bytes:
    """The methods of a file that ffmpeg needs, without the file's name."""

    def __init__(self, file: BufferedReader) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int) -> int:
        """Seek as in a file, but return -EINVAL for a bad offset: PyAV would print an exception to the terminal."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


def _moving_pictures(container: InputContainer) -> VideoStream:
    """The video that players show. A film has precedence over still pictures, and its thumbnails are ignored."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _NO_FILM]
    if not streams:
        raise BadVideo("no video stream", "only sound, text or a cover picture")
    streams = [stream for stream in streams if stream.codec_context] or streams
    streams = [stream for stream in streams if stream.frames != 1] or streams
    streams = [stream for stream in streams if _may_move(stream)] or streams
    if len(streams) > 1:
        largest = max(map(_area, streams))
        streams = [stream for stream in streams if _THUMBNAIL * _area(stream) >= largest]
        # The first of those that are the default, or else of the largest.
        streams.sort(key=lambda stream: (not stream.disposition & Disposition.default, -_area(stream)))
    stream = streams[0]
    if not stream.codec_context:
        raise BadVideo("unreadable", "no decoder for its pictures")
    check_size(stream.width, stream.height)
    return stream


def _may_move(stream: VideoStream) -> bool:
    """Whether the stream has more than one picture, as far as its header shows."""
    return stream.frames != 1 and (stream.codec_context is None or stream.codec_context.name not in _IMAGE_CODECS)


def _area(stream: VideoStream) -> int:
    return stream.width * stream.height if stream.codec_context else 0


def check_size(width: int, height: int) -> None:
    """Raises BadVideo("too large", ...) if pictures of this size, in pixels, exceed the limits."""
    if width * height > MAX_PICTURE_PIXELS or max(width, height) > MAX_SIDE:
        limit = f"at most {MAX_PICTURE_PIXELS} pixels and {MAX_SIDE} a side"
        raise BadVideo("too large", f"pictures of {width} x {height}; {limit}")


def _not_opened(error: OSError | ValueError) -> BadVideo:
    gone = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
    return BadVideo("missing", "no such file") if gone else BadVideo("unreadable", _why(error))


def _why(error: Exception) -> str:
    """The message of ffmpeg or the system, without a function or file name."""
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
