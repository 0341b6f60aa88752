"""Decoders that tell when a file is damaged. As they come, most show wrong pictures and say nothing.

What each needs was measured on files with flipped bits (`design/log.md`).
"""

from __future__ import annotations

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

# ffmpeg's own decoders do not look whether a picture's data end where they should.
_BETTER: dict[str, Literal["libvpx", "libvpx-vp9"]] = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def hides_damage(stream: VideoStream) -> bool:
    """Whether damage shows but in that two ways of decoding see other pictures; see `videostar/video/decode.py`."""
    return stream.codec_context.name == "hevc" and may_use_wavefronts(stream.codec_context.extradata)


class Decoder:
    """The decoder of one stream. Raises BadVideo("damaged", ...) for what does not decode as it was encoded."""

    def __init__(self, stream: VideoStream, threads: int, slices: bool = False) -> None:
        """`threads`: 0 for one a core; `slices`: each row or slice of a picture may have a thread of its own."""
        self.context = _strict(stream)
        self.context.thread_type = "SLICE" if slices else "NONE" if threads == 1 else "AUTO"
        self.context.thread_count = max(2, threads) if slices else threads

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """What comes out when this packet goes in, in the order of showing; None: what is still inside."""
        found: list[VideoFrame] = self.context.decode(packet)
        if (packet is not None and packet.is_corrupt) or any(picture.is_corrupt for picture in found):
            raise BadVideo("damaged", "a picture cannot be decoded as it was encoded")
        return found

    def reset(self) -> None:
        """Be as if nothing had been decoded."""
        self.context.flush_buffers()


def _strict(stream: VideoStream) -> VideoCodecContext:
    own = stream.codec_context
    name = _BETTER.get(own.name)
    if name in av.codecs_available:
        better: VideoCodecContext = CodecContext.create(name, "r")
        better.extradata = own.extradata
        own = better
    own.options = PICTURE_BUDGET | ({"err_detect": "aggressive"} if own.name == "h264" else {})
    return own
