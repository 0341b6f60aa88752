"""Reads the packets of a video file: when its pictures are shown, and how long it is.

All packets are read, since headers may be missing and do not show that a file was cut off.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from io import BufferedReader
from typing import TypeAlias, TypeVar, cast

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videostar.video.container import RAW_FORMATS, check_size, open_video
from videostar.video.decoder import Decoder, hides_damage
from videostar.video.errors import BadVideo
from videostar.video.packet_times import Span, check_joined
from videostar.video.rgb import DisplayMatrix

MAX_SECONDS = 6 * 3600.0  # of video
MAX_WORK_SECONDS = 600.0  # of reading or decoding one file
_MAX_RATE = 1000  # pictures per second
_MAX_MISSING = 0.1  # of the declared duration, which some headers round or guess; if more is missing, the file was cut
_MAX_KEPT = 64 * 2**20  # bytes of packets; if there are more, they are read again

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=Stream)
VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True)
class PacketIndex:
    """The times of the packets of a video stream, in the order of decoding."""

    ticks: np.ndarray  # int64 [packets]: presentation time, 0 if unknown
    keys: np.ndarray  # bool [packets]: keyframes, where decoding can start
    shown: np.ndarray  # bool [packets]: not trimmed by an edit list
    complete: bool  # all presentation times are known and different
    start_seconds: float  # when the first packet is shown, by the clock of the file
    last_seconds: float  # when the last packet is shown
    end_seconds: float  # when the last packet ends


class VideoReader:
    """An open video file: the times of its pictures, its packets and its decoder. See `open_reader`."""

    def __init__(
        self,
        file: BufferedReader,
        container: InputContainer,
        stream: VideoStream,
        decoder: Decoder,
        rate: float | None = None,
    ) -> None:
        """Reads all packets of `file`. `rate`: pictures per second of a raw stream; None for other formats.

        Raises BadVideo, also if the video ends before its declared end.
        """
        self._file, self._raw = file, rate is not None
        self.decoder = decoder
        self.codec = stream.codec_context.name  # ffmpeg's name, such as "h264"
        self.hides_damage = hides_damage(stream)
        self.declared_frames = stream.frames or None
        self.aspect = float(stream.sample_aspect_ratio or 1)  # of a stored pixel: width / height on screen
        self.tick = stream.time_base or Fraction(1, 1_000_000)  # seconds
        self._rate = _average_rate(stream) if rate is None else rate
        self.step = 1.0 / float(self._rate or stream.guessed_rate or 25)  # usual seconds between two pictures
        # AVI stores decoding times only, and ffmpeg sometimes swaps the presentation times that it derives. With
        # MPEG-4 the decoder gives a picture when the packet with the picture's time goes in.
        self.by_decode_time = container.format.name == "avi" and self.codec == "mpeg4"
        self._kept: list[VideoPacket] | None = []
        self._first_packet: VideoPacket | None = None
        self.index = self._read(container, stream)

    @cached_property
    def start_ticks(self) -> int | None:
        """When the first picture appears, in ticks of the file's clock; None if unknown. Raises BadVideo."""
        ticks, keys = self.index.ticks[self.index.shown], self.index.keys[self.index.shown]
        if self.index.complete and not self.by_decode_time and keys.any() and ticks[keys.argmax()] == ticks.min():
            return int(ticks.min())  # the time of the first keyframe, so nothing must be decoded
        return self.ticks_of(self.first)

    @property
    def start_seconds(self) -> float:
        """When the first picture appears, in seconds of the file's clock. Raises BadVideo."""
        return self.index.start_seconds if self.start_ticks is None else float(self.start_ticks * self.tick)

    @cached_property
    def first(self) -> VideoFrame:
        """The first picture that the decoder gives; it may drop incomplete ones before it. Raises BadVideo."""
        decoded = (picture for packet in self.packets() for picture in self.decoder.decode(packet))
        first = next(decoded, None) or next(iter(self.decoder.decode(None)), None)
        self.decoder.reset()
        if first is None:
            raise BadVideo("unreadable", "no picture can be decoded")
        check_size(first.width, first.height)
        return first

    @property
    def orientation(self) -> DisplayMatrix | None:
        """The orientation of the pictures that were decoded last."""
        return self.decoder.matrix or self._container_matrix

    @cached_property
    def _container_matrix(self) -> DisplayMatrix | None:
        return None if self._first_packet is None else self.decoder.container_matrix(self._first_packet)

    @property
    def seconds(self) -> float:
        """The duration in seconds, from the start of the first picture to the end of the last one. Raises BadVideo."""
        seconds = max(self.index.end_seconds - self.start_seconds, self.step)
        check_length(seconds)
        return seconds

    @property
    def fps(self) -> float:
        """The average frame rate."""
        return float(self._rate or len(self.index.ticks) / self.seconds)

    def ticks_of(self, item: VideoPacket | VideoFrame) -> int | None:
        """When a packet or a picture is shown, in ticks of the file's clock; None if unknown."""
        if self._raw:  # ffmpeg counts times at a rate of its own
            return None
        return item.dts if self.by_decode_time else item.pts

    def packets(self) -> Iterator[VideoPacket]:
        """The packets of the video stream, in the order of decoding. Raises BadVideo."""
        if self._kept is not None:
            yield from limit_work_time(self._kept)
            return
        with open_video(self._file) as (container, stream):
            yield from limit_work_time(_packets(container.demux(stream)))

    def _read(self, container: InputContainer, stream: VideoStream) -> PacketIndex:
        # ffmpeg guesses the duration of a raw stream from its size.
        declared, container_seconds = (
            (0.0, 0.0) if self._raw else (_declared_seconds(stream), (container.duration or 0) / 1e6)
        )
        check_length(max(declared, container_seconds))
        spans = [Span(self.step if each.index == stream.index else 0.0, each.time_base) for each in container.streams]
        ticks: list[int | None] = []
        keys, shown = bytearray(), bytearray()
        decoded: list[int] = []  # when packets are decoded, in ticks
        recent: deque[int | None] = deque([None, None], maxlen=2)  # decoding times of the last two packets
        size = 0
        transport = container.format.name == "mpegts"
        for packet in limit_work_time(_packets(container.demux())):
            if not packet.is_discard:
                at = packet.dts if packet.pts is None else packet.pts
                spans[packet.stream_index].add(*((None, None) if self._raw else (at, packet.duration)))
            if packet.stream_index == stream.index:
                picture = cast(VideoPacket, packet)
                self._first_packet = self._first_packet or picture
                if packet.dts is not None:
                    decoded.append(packet.dts)
                # Where parts of a transport stream are joined, only its counter of packets starts again. ffmpeg then
                # marks the last packet of the part as corrupt, and its parser passes the mark to the one before.
                if transport and packet.is_keyframe and recent[0] is not None:
                    self.decoder.whole.add(recent[0])
                recent.append(packet.dts)
                ticks.append(self.ticks_of(picture))
                keys.append(packet.is_keyframe)
                shown.append(not packet.is_discard)
                size += packet.size
                if size > _MAX_KEPT:
                    self._kept = None
                if self._kept is not None:
                    self._kept.append(picture)
        own_span = spans[stream.index]
        if not own_span.count:
            raise BadVideo("unreadable", "no picture can be decoded")
        if not self._raw:
            check_joined(np.array(decoded, float) * float(self.tick), self.step, container.format.name)
        # The duration of a stream is that of its pictures, without an offset; that of a container is neither.
        if declared:
            check_complete(declared, own_span.end_seconds - own_span.start_seconds, self.step)
        else:
            check_complete(container_seconds, max(span.end_seconds for span in spans), self.step)
        return PacketIndex(
            ticks=np.array([0 if each is None else each for each in ticks], np.int64),
            keys=np.frombuffer(keys, bool),
            shown=np.frombuffer(shown, bool),
            complete=None not in ticks and len(set(ticks)) == len(ticks),
            start_seconds=own_span.start_seconds,
            last_seconds=own_span.last_seconds,
            end_seconds=own_span.end_seconds,
        )


@contextmanager
def open_reader(
    file: BufferedReader, threads: int = 1, *, slices: bool = False, rate: float | None = None
) -> Iterator[VideoReader]:
    """Opens a reader of the video in `file`, see `Decoder` for `threads` and `slices`.

    `rate`: pictures per second, for raw streams, which have no times. Raises BadVideo, also for all errors of ffmpeg
    inside the block.
    """
    with open_video(file) as (container, stream):
        raw = RAW_FORMATS.get(container.format.name)
        if raw and rate is None:
            why = f"a raw {raw} stream has no times; state its pictures per second: --set video.frame_rate=25"
            raise BadVideo("no frame rate", why)
        yield VideoReader(file, container, stream, Decoder(stream, threads, slices), rate if raw else None)


def _packets(packets: Iterator[Packet[Kind]]) -> Iterator[Packet[Kind]]:
    """The packets without the empty ones, which mark the end."""
    try:
        yield from (packet for packet in packets if packet.size)
    except IndexError:
        return  # PyAV raises this at the end of a file in which a new stream has appeared


def limit_work_time(items: Iterable[Item]) -> Iterator[Item]:
    """The items. Raises BadVideo if they take longer than MAX_WORK_SECONDS."""
    deadline = time.monotonic() + MAX_WORK_SECONDS
    for item in items:
        if time.monotonic() > deadline:
            raise BadVideo("too long", f"not finished after {MAX_WORK_SECONDS:.0f} s of work")
        yield item


def check_complete(declared: float, reached: float, step: float) -> None:
    """Raises BadVideo if a video of `declared` seconds ends much earlier, at `reached` seconds."""
    if declared - reached > declared * _MAX_MISSING + step:
        raise BadVideo("ends early", f"after {max(reached, 0.0):.2f} s of {declared:.2f} s")


def check_length(seconds: float) -> None:
    """Raises BadVideo if a video of `seconds` is longer than the limit."""
    if seconds > MAX_SECONDS:
        raise BadVideo("too long", f"{seconds:.0f} s; at most {MAX_SECONDS:.0f} s")


def _average_rate(stream: VideoStream) -> Fraction | None:
    """The pictures per second; None for rates that are those of the clock, as ffmpeg gives them for DV."""
    rate = stream.average_rate
    return None if rate and rate > _MAX_RATE else rate


def _declared_seconds(stream: VideoStream) -> float:
    """The duration that the stream declares, in seconds; 0 if only its container declares one."""
    own = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if stream.container.format.name == "avi" and stream.average_rate:
        # For an AVI that was cut off, ffmpeg derives the duration from the size, but the header has the frame count.
        own = max(own, stream.frames / float(stream.average_rate))
    return own
