"""A video file that is open: when its pictures are shown, and the packets that they are in.

Measured by reading every packet, because headers are optional, and survive a cut.
"""

from __future__ import annotations

import math
import time
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

from videostar.video.container import check_size, open_video
from videostar.video.decoder import Decoder, hides_damage
from videostar.video.errors import BadVideo

MAX_SECONDS = 6 * 3600.0  # of video
MAX_WORK_SECONDS = 600.0  # of reading or decoding one file
_MISSING_SHARE = 0.1  # of the declared duration: more than this means cut; some headers round or guess
_HELD = 64 * 2**20  # bytes of packets that are kept; of a file with more they are read again

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=Stream)
VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True)
class PacketIndex:
    """What the packets of a film's pictures say of them, in the order of decoding."""

    ticks: np.ndarray  # int64 [packets]: when each is shown; 0 where it does not say
    keys: np.ndarray  # bool [packets]: whether decoding can begin here
    shown: np.ndarray  # bool [packets]: whether it is not trimmed away by an edit list
    complete: bool  # every packet says when it is shown, and no two say the same
    start_seconds: float  # seconds by the file's own clock: the first packet is shown
    last_seconds: float  # the last one is shown
    end_seconds: float  # and goes


class VideoReader:
    """Its pictures can be decoded as often as wanted. Whatever fails is a BadVideo."""

    def __init__(self, file: BufferedReader, container: InputContainer, stream: VideoStream, decoder: Decoder) -> None:
        """Reads all of `file`. Raises BadVideo, also for a video that ends early."""
        self._file = file
        self.decoder = decoder
        self.codec = stream.codec_context.name  # ffmpeg's name, such as "h264"
        self.hides_damage = hides_damage(stream)
        self.declared_frames = stream.frames or None
        self.aspect = float(stream.sample_aspect_ratio or 1)  # how wide a stored pixel is shown for its height
        self.tick = stream.time_base or Fraction(1, 1_000_000)
        self.step = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)  # usual seconds between two pictures
        # AVI knows times of decoding alone, and those of showing that ffmpeg makes up belong to neighbours now and
        # then. In MPEG-4 a picture comes out just when the packet of its time goes in.
        self.by_decode_time = container.format.name == "avi" and self.codec == "mpeg4"
        self._rate = stream.average_rate
        self._kept: list[VideoPacket] | None = []
        self.index = self._read(container, stream)

    @cached_property
    def start_ticks(self) -> int | None:
        """When the first picture appears, in ticks of the file's own clock, if it is known. Raises BadVideo."""
        ticks, keys = self.index.ticks[self.index.shown], self.index.keys[self.index.shown]
        if self.index.complete and not self.by_decode_time and keys.any() and ticks[keys.argmax()] == ticks.min():
            return int(ticks.min())  # decoding begins there, so it needs not be tried
        return self.ticks_of(self.first)

    @property
    def start_seconds(self) -> float:
        """The same in seconds."""
        return self.index.start_seconds if self.start_ticks is None else float(self.start_ticks * self.tick)

    @cached_property
    def first(self) -> VideoFrame:
        """The first picture that can be seen: the decoder may drop what comes before a whole one. Raises BadVideo."""
        decoded = (picture for packet in self.packets() for picture in self.decoder.decode(packet))
        first = next(decoded, None) or next(iter(self.decoder.decode(None)), None)
        self.decoder.reset()
        if first is None:
            raise BadVideo("unreadable", "no picture can be decoded")
        check_size(first.width, first.height)
        return first

    @property
    def seconds(self) -> float:
        """From when the first picture appears until the last one goes. Raises BadVideo."""
        seconds = max(self.index.end_seconds - self.start_seconds, self.step)
        _check_length(seconds)
        return seconds

    @property
    def fps(self) -> float:
        """Pictures per second, on average."""
        return float(self._rate or len(self.index.ticks) / self.seconds)

    def ticks_of(self, item: VideoPacket | VideoFrame) -> int | None:
        """When a packet or a picture is shown, in ticks of the file's own clock, if it is known."""
        return item.dts if self.by_decode_time else item.pts

    def packets(self) -> Iterator[VideoPacket]:
        """All packets of the pictures, in the order of decoding. Raises BadVideo."""
        if self._kept is not None:
            yield from limit_work_time(self._kept)
            return
        with open_video(self._file) as (container, stream):
            yield from limit_work_time(_packets(container.demux(stream)))

    def _read(self, container: InputContainer, stream: VideoStream) -> PacketIndex:
        own, whole = _declared_seconds(stream), (container.duration or 0) / 1e6
        _check_length(max(own, whole))
        spans = [_Span(self.step if each.index == stream.index else 0.0, each.time_base) for each in container.streams]
        ticks: list[int | None] = []
        keys, shown = bytearray(), bytearray()
        size = 0
        for packet in limit_work_time(_packets(container.demux())):
            if not packet.is_discard:
                spans[packet.stream_index].add(packet.dts if packet.pts is None else packet.pts, packet.duration)
            if packet.stream_index == stream.index:
                picture = cast(VideoPacket, packet)
                ticks.append(self.ticks_of(picture))
                keys.append(packet.is_keyframe)
                shown.append(not packet.is_discard)
                size += packet.size
                if size > _HELD:
                    self._kept = None
                if self._kept is not None:
                    self._kept.append(picture)
        ours = spans[stream.index]
        if not ours.count:
            raise BadVideo("unreadable", "no picture can be decoded")
        # Only a stream's own duration is about its pictures alone and leaves out an offset.
        if own:
            check_complete(own, ours.end_seconds - ours.start_seconds, self.step)
        else:
            check_complete(whole, max(span.end_seconds for span in spans), self.step)
        return PacketIndex(
            ticks=np.array([0 if each is None else each for each in ticks], np.int64),
            keys=np.frombuffer(keys, bool),
            shown=np.frombuffer(shown, bool),
            complete=None not in ticks and len(set(ticks)) == len(ticks),
            start_seconds=ours.start_seconds,
            last_seconds=ours.last_seconds,
            end_seconds=ours.end_seconds,
        )


@contextmanager
def open_reader(file: BufferedReader, threads: int = 1, *, slices: bool = False) -> Iterator[VideoReader]:
    """The film in `file`, to be decoded by so many threads (see `Decoder`).

    Raises BadVideo, also for what ffmpeg raises inside the block.
    """
    with open_video(file) as (container, stream):
        yield VideoReader(file, container, stream, Decoder(stream, threads, slices))


class _Span:
    """From the first to the last packet of one stream, by the file's own clock."""

    def __init__(self, step: float, tick: Fraction | None) -> None:
        """`step`: seconds that a packet is shown for where it does not say; `tick`: seconds."""
        self._tick = tick or Fraction(1, 1_000_000)
        self._step = step / self._tick
        self._start, self._last, self._end = math.inf, -self._step, 0.0
        self.count = 0

    def add(self, at: int | None, length: int | None) -> None:
        """A packet, in ticks; without a time of its own it follows the one before."""
        start = self._last + self._step if at is None else at
        self._start = min(self._start, start)
        self._last = max(self._last, start)
        self._end = max(self._end, start + (length or self._step))
        self.count += 1

    @property
    def start_seconds(self) -> float:
        """Seconds at which the first picture appears; infinite without packets."""
        return float(self._start * self._tick)

    @property
    def last_seconds(self) -> float:
        """Seconds at which the last picture appears."""
        return float(self._last * self._tick)

    @property
    def end_seconds(self) -> float:
        """Seconds at which the last picture goes."""
        return float(self._end * self._tick)


def _packets(found: Iterator[Packet[Kind]]) -> Iterator[Packet[Kind]]:
    """All but the empty ones, which mark the end."""
    try:
        yield from (packet for packet in found if packet.size)
    except IndexError:
        return  # PyAV, at the end of a file in which another stream has turned up


def limit_work_time(items: Iterable[Item]) -> Iterator[Item]:
    """The items, within MAX_WORK_SECONDS. Raises BadVideo."""
    until = time.monotonic() + MAX_WORK_SECONDS
    for item in items:
        if time.monotonic() > until:
            raise BadVideo("too long", f"not done after {MAX_WORK_SECONDS:.0f} s of work")
        yield item


def check_complete(promised: float, reached: float, step: float) -> None:
    """Raises BadVideo for a film that ends much before the seconds that were promised."""
    if promised - reached > promised * _MISSING_SHARE + step:
        raise BadVideo("ends early", f"after {max(reached, 0.0):.2f} s of {promised:.2f} s")


def _check_length(seconds: float) -> None:
    if seconds > MAX_SECONDS:
        raise BadVideo("too long", f"{seconds:.0f} s; at most {MAX_SECONDS:.0f} s")


def _declared_seconds(stream: VideoStream) -> float:
    """How long the stream itself says that it is; 0 where only its container says something."""
    own = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if stream.container.format.name == "avi" and stream.average_rate:
        # Of a cut AVI ffmpeg gives a duration that it reckoned from the size, but the count in the header remains.
        own = max(own, stream.frames / float(stream.average_rate))
    return own
