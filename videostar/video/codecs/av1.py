"""Removes pictures that no other picture refers to from the packets of an AV1 video.

dav1d can skip such pictures only if that is set before the first packet. So they are found here, by a few bits of the
sequence header and of each frame header (AV1 bitstream specification, 5.3 to 5.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from videostar.video.codecs.bits import BitReader

_HEAD = 64  # bytes of a unit that are read
_SEQUENCE, _FRAME_HEADER, _TILES, _FRAME, _SAME_HEADER = 1, 3, 4, 6, 7  # obu_type
_INTRA = {0, 2}  # frame_type without references
_KEY, _SWITCH = 0, 3  # frame_type
_CHOSEN = 2  # each frame chooses


class _Sequence(NamedTuple):
    """The values of a sequence header that are needed to read frame headers."""

    id_bits: int  # of a frame's ID; 0 without IDs
    order_bits: int  # of a frame's order hint
    screen_content: int
    integer_motion: int


class ReferenceFilter:
    """Filters packets, which must come in the order of decoding from a keyframe on."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata`: the configuration record of the container, four bytes and a sequence header."""
        self._sequence: _Sequence | None = None
        self.needed_part((extradata or b"")[4:])

    def needed_part(self, packet: bytes) -> bytes:
        """The packet without pictures that no other picture refers to; empty if no picture remains."""
        needed: list[bytes] = []
        keep, pictures = True, 0
        try:
            for kind, head, unit in _units(packet):
                if kind == _SEQUENCE:
                    self._sequence = _sequence(BitReader(head))
                elif kind in (_FRAME_HEADER, _FRAME):
                    keep = self._sequence is None or _referred_to(BitReader(head), self._sequence)
                    pictures += keep
                if keep or kind not in (_FRAME_HEADER, _TILES, _FRAME, _SAME_HEADER):
                    needed.append(unit)
        except IndexError:  # cut off or damaged, which the decoder will report
            return packet
        return b"".join(needed) if pictures else b""


def _units(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The type, the first bytes of the content, and all bytes of each open bitstream unit (OBU)."""
    end = 0
    while end < len(data):
        start, head = end, data[end]
        at = start + (2 if head & 4 else 1)
        size = len(data) - at
        if head & 2:
            size = 0
            for shift in range(0, 56, 7):
                byte = data[at]
                at += 1
                size |= (byte & 127) << shift
                if byte < 128:
                    break
        end = at + size
        yield head >> 3 & 15, data[at : min(end, at + _HEAD)], data[start:end]


def _sequence(bits: BitReader) -> _Sequence | None:
    """The sequence header; None for still pictures, timing and layers, whose frame headers are not supported here."""
    bits.read(3)
    still, reduced, clock, delay = bits.read(1), bits.read(1), bits.read(1), bits.read(1)
    if still or reduced or clock or bits.read(5) or bits.read(12):
        return None
    if bits.read(5) > 7:  # level
        bits.read(1)
    if delay and bits.read(1):
        bits.read(4)
    width, height = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width + height)
    id_bits = bits.read(4) + bits.read(3) + 3 if bits.read(1) else 0
    bits.read(3 + 4)  # tools
    has_order_hint = bits.read(1)
    if has_order_hint:
        bits.read(2)
    screen_content = _CHOSEN if bits.read(1) else bits.read(1)
    integer_motion = _CHOSEN if not screen_content or bits.read(1) else bits.read(1)
    return _Sequence(id_bits, bits.read(3) + 1 if has_order_hint else 0, screen_content, integer_motion)


def _referred_to(bits: BitReader, sequence: _Sequence) -> bool:
    """Whether other frames may refer to a frame. Also True for a frame that is shown again or not shown."""
    show_existing, kind, shown = bits.read(1), bits.read(2), bits.read(1)
    if show_existing or not shown or kind in (_KEY, _SWITCH):
        return True
    resilient = bits.read(1)
    bits.read(1)
    screen_content = bits.read(1) if sequence.screen_content == _CHOSEN else sequence.screen_content
    if screen_content and sequence.integer_motion == _CHOSEN:
        bits.read(1)
    bits.read(sequence.id_bits + 1 + sequence.order_bits)
    if kind not in _INTRA and not resilient:
        bits.read(3)
    return bits.read(8) != 0
