"""Decodes only the packets that are needed for the pictures on screen at given times.

Decoding starts at the keyframe before a wanted picture, and skips to a later keyframe if there is one before the next
wanted picture. This replaces seeking by the container, which is often inexact; all packets are read anyway.
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

ROUNDING = 0.001  # seconds: containers round times, but must all give the same pictures of a video
# Decoders whose `skip_frame` can change between two packets, to skip pictures that no other picture refers to.
_CAN_SKIP = {"h264", "hevc", "mpeg4"}
_REORDERED = 4  # packets by which MPEG-4 in AVI may show a keyframe later than it is decoded


@dataclass
class Stretch:
    """A range of packets to decode."""

    first: int  # index of a packet
    last: int  # inclusive
    wanted: set[int] = field(default_factory=set)  # ticks of the wanted pictures


def wanted_ticks(video: VideoReader, times: Sequence[float]) -> list[int]:
    """For each of the ascending `times` (seconds since the first picture), the tick of the picture on screen then.

    The index of the video must be complete.
    """
    start_seconds = video.start_ticks
    if start_seconds is None:
        return []
    ticks = np.sort(video.index.ticks[video.index.shown])
    ticks = ticks - ticks[0] + start_seconds if video.by_decode_time else ticks[ticks >= start_seconds]
    latest = [start_seconds + (time + ROUNDING) / float(video.tick) for time in times]
    return [int(each) for each in ticks[np.searchsorted(ticks, latest, side="right") - 1]]


def plan_stretches(video: VideoReader, wanted: Sequence[int]) -> list[Stretch]:
    """The stretches to decode for pictures with the ascending ticks `wanted`, in order."""
    index = video.index
    places = {int(tick): number for number, tick in enumerate(index.ticks)}
    keys = np.flatnonzero(index.keys)
    stretches: list[Stretch] = []
    for tick in dict.fromkeys(wanted):
        last = places.get(tick, len(index.ticks) - 1)
        # A keyframe that is decoded before the wanted picture must also be shown before it.
        candidates = keys[
            keys <= last - _REORDERED if video.by_decode_time else (keys <= last) & (index.ticks[keys] <= tick)
        ]
        first = int(candidates[-1]) if len(candidates) else 0
        if not stretches or first > stretches[-1].last + 1:
            stretches.append(Stretch(first, last))
        stretches[-1].last = max(stretches[-1].last, last)
        stretches[-1].wanted.add(tick)
    return stretches


def decode_stretches(video: VideoReader, stretches: Sequence[Stretch]) -> Iterator[tuple[int, VideoFrame]]:
    """The wanted pictures that the decoder gives, with their ticks. Raises BadVideo."""
    packets = enumerate(video.packets())
    for stretch in stretches:
        missing = set(stretch.wanted)
        for picture in _decode_stretch(video, packets, stretch, missing):
            tick = video.ticks_of(picture)
            if tick in missing:
                missing.discard(tick)
                yield tick, picture
            if not missing:
                break
        video.decoder.reset()
    video.decoder.context.skip_frame = "DEFAULT"


def _decode_stretch(
    video: VideoReader, packets: Iterator[tuple[int, VideoPacket]], stretch: Stretch, missing: set[int]
) -> Iterator[VideoFrame]:
    reference_filter = ReferenceFilter(video.decoder.context.extradata) if video.codec == "libdav1d" else None
    for number, packet in packets:
        if number < stretch.first:
            continue
        wanted = video.ticks_of(packet) in missing
        if video.codec in _CAN_SKIP:
            video.decoder.context.skip_frame = "DEFAULT" if wanted else "NONREF"
        needed = packet if wanted or reference_filter is None else _needed_packet(packet, reference_filter)
        if needed is not None:
            yield from video.decoder.decode(needed)
        if number == stretch.last:
            break
    yield from video.decoder.decode(None)


def _needed_packet(packet: VideoPacket, reference_filter: ReferenceFilter) -> VideoPacket | None:
    """The packet without pictures that no other picture refers to; None if nothing remains."""
    whole = bytes(packet)
    part = reference_filter.needed_part(whole)
    if len(part) == len(whole):
        return packet
    if not part:
        return None
    made = cast(VideoPacket, Packet(part))
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    return made
