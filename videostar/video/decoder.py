"""Decoders that detect damage. With ffmpeg's defaults, most give wrong pictures without an error.

The options are the result of measurements on files with flipped bits, see `design/log.md`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import av
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videostar.video.codecs.hevc import may_use_wavefronts
from videostar.video.container import PICTURE_BUDGET
from videostar.video.errors import BadVideo
from videostar.video.rgb import DisplayMatrix, display_matrix

# ffmpeg's own decoders do not check whether the data of a picture end where they should.
_BETTER: dict[str, Literal["libvpx", "libvpx-vp9"]] = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def hides_damage(stream: VideoStream) -> bool:
    """Whether damage only shows as a difference between two ways of decoding, see `decode.py`."""
    return stream.codec_context.name == "hevc" and may_use_wavefronts(stream.codec_context.extradata)


class Decoder:
    """The decoder of one stream."""

    def __init__(self, stream: VideoStream, threads: int, slices: bool = False) -> None:
        """`threads`: 0 for one per core. `slices`: decode the rows or slices of a picture in threads of their own."""
        self._native = stream.codec_context
        self.context = _strict(stream)
        self.whole: set[int] = set()  # decoding times of packets that are marked as corrupt, but are not
        self.matrix: DisplayMatrix | None = None  # the orientation of the last keyframe and the pictures that follow it
        self._rotation: int | None = None  # of the picture that `matrix` is from
        self.context.thread_type = "SLICE" if slices else "NONE" if threads == 1 else "AUTO"
        self.context.thread_count = max(2, threads) if slices else threads

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The pictures that `packet` completes, in the order of display; for None the remaining. Raises BadVideo."""
        pictures: list[VideoFrame] = self.context.decode(packet)
        if (packet is not None and packet.is_corrupt and packet.dts not in self.whole) or any(
            picture.is_corrupt for picture in pictures
        ):
            raise BadVideo("damaged", "a picture cannot be decoded as it was encoded")
        for picture in pictures:
            # The angle is read first: reading the matrix makes PyAV keep the picture until the next garbage collection.
            if self._rotation is None or (picture.key_frame and picture.rotation != self._rotation):
                self.matrix, self._rotation = display_matrix(picture), picture.rotation
        return pictures

    def container_matrix(self, keyframe: Packet[VideoStream]) -> DisplayMatrix | None:
        """The orientation that the container has and that pictures of this decoder lack, from the first packet.

        Only ffmpeg's own decoder of the stream knows it, so that one decodes the packet.
        """
        if self._native is self.context:
            return None
        self._native.thread_count = 1
        pictures: list[VideoFrame] = []
        with suppress(av.FFmpegError):  # damage, which the other decoder reports
            pictures = self._native.decode(keyframe) or self._native.decode(None)
        return display_matrix(pictures[0]) if pictures else None

    def reset(self) -> None:
        """Discard all state, as if nothing had been decoded."""
        self.context.flush_buffers()


def _strict(stream: VideoStream) -> VideoCodecContext:
    context = stream.codec_context
    name = _BETTER.get(context.name)
    if name in av.codecs_available:
        better: VideoCodecContext = CodecContext.create(name, "r")
        better.extradata = context.extradata
        context = better
    context.options = PICTURE_BUDGET | ({"err_detect": "aggressive"} if context.name == "h264" else {})
    return context
