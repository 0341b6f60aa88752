"""When the pictures of a video are shown: measured, because headers are optional, and survive a cut."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedReader
from typing import TypeVar

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videostar.video.container import check_size, open_video
from videostar.video.errors import BadVideo

MAX_SECONDS = 6 * 3600.0  # of video
MAX_WORK_SECONDS = 600.0  # of reading or decoding one file
_MISSING_SHARE = 0.1  # of the declared duration: more than this means cut; some headers round or guess
_SWAPS = 2  # pictures to look ahead for a time that came too late

Item = TypeVar("Item")


@dataclass(frozen=True)
class Timeline:
    """What reading a whole video, decoding no more than its first picture, tells."""

    seconds: float  # from when the first picture appears until the last one goes
    last: float  # when the last picture appears
    fps: float  # pictures per second, on average
    width: int  # pixels of the first picture as stored: neither turned nor stretched
    height: int
    declared_frames: int | None
    codec: str


def measure(file: BufferedReader) -> Timeline:
    """Reads all of `file`. Raises BadVideo, also for a video that ends early or whose first picture is broken."""
    with open_video(file) as (container, stream):
        own, whole = _declared_seconds(stream), (container.duration or 0) / 1e6
        _check_length(max(own, whole))
        step = _step(stream)
        spans = [_Span(step if each.index == stream.index else 0.0, each.time_base) for each in container.streams]
        first: VideoFrame | None = None
        for packet in _in_time(container.demux()):
            if first is None and packet.stream_index == stream.index:
                first = next(iter(stream.decode(packet)), None)
            if packet.size and not packet.is_discard:  # not the mark of the end, nor trimmed away by an edit list
                spans[packet.stream_index].add(packet.dts if packet.pts is None else packet.pts, packet.duration)
        ours = spans[stream.index]
        if first is None or not ours.count:
            raise BadVideo("unreadable", "no picture can be decoded")
        check_size(first.width, first.height)
        # Only a stream's own duration is about its pictures alone and leaves out an offset.
        if own:
            _check_whole(own, ours.end - ours.begin, step)
        else:
            _check_whole(whole, max(span.end for span in spans), step)
        # The decoder may drop what comes before the first whole picture: time begins with what can be seen.
        begin = ours.begin if first.time is None else first.time
        seconds = max(ours.end - begin, step)
        _check_length(seconds)
        return Timeline(
            seconds=seconds,
            last=ours.last - begin,
            fps=float(stream.average_rate or ours.count / seconds),
            width=first.width,
            height=first.height,
            declared_frames=stream.frames or None,
            codec=stream.codec_context.name,
        )


class _Span:
    """From the first to the last packet of one stream, by the file's own clock."""

    def __init__(self, step: float, tick: Fraction | None) -> None:
        """`step`: seconds that a packet is shown for where it does not say; `tick`: seconds."""
        self._tick = tick or Fraction(1, 1_000_000)
        self._step = step / self._tick
        self._begin, self._last, self._end = math.inf, -self._step, 0.0
        self.count = 0

    def add(self, at: int | None, length: int | None) -> None:
        """A packet, in ticks; without a time of its own it follows the one before."""
        start = self._last + self._step if at is None else at
        self._begin = min(self._begin, start)
        self._last = max(self._last, start)
        self._end = max(self._end, start + (length or self._step))
        self.count += 1

    @property
    def begin(self) -> float:
        """Seconds at which the first picture appears; infinite without packets."""
        return float(self._begin * self._tick)

    @property
    def last(self) -> float:
        """Seconds at which the last picture appears."""
        return float(self._last * self._tick)

    @property
    def end(self) -> float:
        """Seconds at which the last picture goes."""
        return float(self._end * self._tick)


def pictures(container: InputContainer, stream: VideoStream, timeline: Timeline) -> Iterator[tuple[float, VideoFrame]]:
    """Every picture in the order of showing, with its seconds since the first one, which never go back.

    At least one. Raises BadVideo when they come to an end much before `timeline` does.
    """
    step = _step(stream)
    first: float | None = None
    shown = -step
    for at, picture in _sorted_times(stream.decode(packet) for packet in _in_time(container.demux(stream))):
        if first is None:
            first = at or 0.0
        # A picture without a time follows the one before at the usual distance.
        shown = shown + step if at is None else max(shown, at - first, 0.0)
        yield shown, picture
    if first is None:
        raise BadVideo("unreadable", "no picture can be decoded")
    _check_whole(timeline.last, shown, step)


def _sorted_times(decoded: Iterable[list[VideoFrame]]) -> Iterator[tuple[float | None, VideoFrame]]:
    """The pictures as they come, which is the order of showing, each with the earliest time of the next few.

    AVI stores no presentation times. Those that ffmpeg makes up belong to neighbouring pictures now and then.
    """
    times: list[float] = []
    waiting: deque[VideoFrame] = deque()

    def take() -> tuple[float | None, VideoFrame]:
        picture = waiting.popleft()
        return (None if picture.time is None else heapq.heappop(times)), picture

    for batch in decoded:
        for picture in batch:
            waiting.append(picture)
            if picture.time is not None:
                heapq.heappush(times, picture.time)
            if len(waiting) > _SWAPS:
                yield take()
    while waiting:
        yield take()


def _in_time(items: Iterable[Item]) -> Iterator[Item]:
    until = time.monotonic() + MAX_WORK_SECONDS
    for item in items:
        if time.monotonic() > until:
            raise BadVideo("too long", f"not done after {MAX_WORK_SECONDS:.0f} s of work")
        yield item


def _check_whole(promised: float, reached: float, step: float) -> None:
    if promised - reached > promised * _MISSING_SHARE + step:
        raise BadVideo("unreadable", f"ends early: after {max(reached, 0.0):.2f} s of {promised:.2f} s")


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


def _step(stream: VideoStream) -> float:
    """The usual time between two pictures, seconds."""
    return 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
