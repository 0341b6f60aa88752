"""Which packets of a film must be decoded to see the pictures on screen at some times, and which can be left out.

Decoding begins at the keyframe before a wanted picture, goes over what lies between wanted pictures where that is
further than the next keyframe, and ends with the last one. This is seeking without a container's help, which is often
inexact: packets are read anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

from videostar.video.codecs.av1 import ReferenceFilter
from videostar.video.reader import VideoPacket, VideoReader

ROUNDING = 0.001  # seconds, to which containers round: the same film must give the same pictures from any of them
# Decoders that leave out, when asked between two packets, pictures that no other refers to.
_LEAVE_OUT = {"h264", "hevc", "mpeg4"}
_REORDERED = 4  # packets by which MPEG-4 in AVI may show a keyframe later than it is decoded


@dataclass
class Stretch:
    """Packets that are decoded one after the other."""

    first: int  # number of a packet
    last: int
    wanted: set[int] = field(default_factory=set)  # ticks of pictures


def wanted_ticks(video: VideoReader, times: Sequence[float]) -> list[int]:
    """For each of some ascending seconds since the first picture, when the picture that is then on screen appeared.

    Only for a film whose index is complete.
    """
    start_seconds = video.start_ticks
    if start_seconds is None:
        return []
    ticks = np.sort(video.index.ticks[video.index.shown])
    ticks = ticks - ticks[0] + start_seconds if video.by_decode_time else ticks[ticks >= start_seconds]
    latest = [start_seconds + (time + ROUNDING) / float(video.tick) for time in times]
    return [int(each) for each in ticks[np.searchsorted(ticks, latest, side="right") - 1]]


def plan_stretches(video: VideoReader, wanted: Sequence[int]) -> list[Stretch]:
    """The stretches to decode for pictures of those ascending ticks, in order."""
    index = video.index
    places = {int(tick): number for number, tick in enumerate(index.ticks)}
    keys = np.flatnonzero(index.keys)
    stretches: list[Stretch] = []
    for tick in dict.fromkeys(wanted):
        last = places.get(tick, len(index.ticks) - 1)
        # Decoded before what is wanted, and shown before it too: other pictures may come between.
        able = keys[keys <= last - _REORDERED if video.by_decode_time else (keys <= last) & (index.ticks[keys] <= tick)]
        first = int(able[-1]) if len(able) else 0
        if not stretches or first > stretches[-1].last + 1:
            stretches.append(Stretch(first, last))
        stretches[-1].last = max(stretches[-1].last, last)
        stretches[-1].wanted.add(tick)
    return stretches


def decode_stretches(video: VideoReader, stretches: Sequence[Stretch]) -> Iterator[tuple[int, VideoFrame]]:
    """The wanted pictures with their ticks, as far as they come out. Raises BadVideo."""
    packets = enumerate(video.packets())
    for stretch in stretches:
        left = set(stretch.wanted)
        for picture in _pictures(video, packets, stretch, left):
            tick = video.ticks_of(picture)
            if tick in left:
                left.discard(tick)
                yield tick, picture
            if not left:
                break
        video.decoder.reset()
    video.decoder.context.skip_frame = "DEFAULT"


def _pictures(
    video: VideoReader, packets: Iterator[tuple[int, VideoPacket]], stretch: Stretch, left: set[int]
) -> Iterator[VideoFrame]:
    referred = ReferenceFilter(video.decoder.context.extradata) if video.codec == "libdav1d" else None
    for number, packet in packets:
        if number < stretch.first:
            continue
        wanted = video.ticks_of(packet) in left
        if video.codec in _LEAVE_OUT:
            video.decoder.context.skip_frame = "DEFAULT" if wanted else "NONREF"
        needed = packet if wanted or referred is None else _without(packet, referred)
        if needed is not None:
            yield from video.decoder.decode(needed)
        if number == stretch.last:
            break
    yield from video.decoder.decode(None)


def _without(packet: VideoPacket, referred: ReferenceFilter) -> VideoPacket | None:
    """The packet without pictures that no other refers to, if anything is left."""
    whole = bytes(packet)
    part = referred.needed_part(whole)
    if len(part) == len(whole):
        return packet
    if not part:
        return None
    made = cast(VideoPacket, Packet(part))
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    return made
