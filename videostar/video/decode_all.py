"""Decodes all pictures in the order of display: slower than `decode_selected.py`, but it needs no times of packets."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from av.video.frame import VideoFrame

from videostar.video.errors import BadVideo
from videostar.video.reader import VideoReader, check_complete

_SWAPS = 2  # pictures to look ahead for times in the wrong order


def all_pictures(video: VideoReader) -> Iterator[tuple[float, VideoFrame]]:
    """All pictures, at least one, with ascending times in seconds since the first one.

    Raises BadVideo if the pictures end much earlier than the packets.
    """
    first: int | None = None
    shown = -video.step
    for tick, picture in _sorted_ticks(video):
        if first is None:
            first = tick or 0
        # A picture without a time follows the one before after the usual interval.
        shown = shown + video.step if tick is None else max(shown, float((tick - first) * video.tick), 0.0)
        yield shown, picture
    if first is None:
        raise BadVideo("unreadable", "no picture can be decoded")
    check_complete(video.index.last_seconds - video.start_seconds, shown, video.step)


def _decoded(video: VideoReader) -> Iterator[list[VideoFrame]]:
    for packet in video.packets():
        yield video.decoder.decode(packet)
    yield video.decoder.decode(None)
    video.decoder.reset()


def _sorted_ticks(video: VideoReader) -> Iterator[tuple[int | None, VideoFrame]]:
    """The pictures in the order of display, each with the earliest tick of the next few pictures.

    AVI stores no presentation times, and ffmpeg sometimes swaps the ones that it derives.
    """
    ticks: list[int] = []
    waiting: deque[VideoFrame] = deque()

    def take() -> tuple[int | None, VideoFrame]:
        picture = waiting.popleft()
        return (None if video.ticks_of(picture) is None else heapq.heappop(ticks)), picture

    for batch in _decoded(video):
        for picture in batch:
            waiting.append(picture)
            tick = video.ticks_of(picture)
            if tick is not None:
                heapq.heappush(ticks, tick)
            if len(waiting) > _SWAPS:
                yield take()
    while waiting:
        yield take()
