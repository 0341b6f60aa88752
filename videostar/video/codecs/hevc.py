"""Whether an HEVC film's pictures are coded in rows that can be decoded by themselves (wavefronts).

A flag of its picture parameter sets says so (ITU-T H.265, 7.3.2.3); they come with the container (hvcC of ISO/IEC
14496-15, 8.3.3) or between start codes.
"""

from __future__ import annotations

from collections.abc import Iterator

from videostar.video.codecs.bits import BitReader

_PICTURE_PARAMETERS = 34  # kind of unit
_HEAD = 64  # bytes of a unit that are looked at


def may_use_wavefronts(extradata: bytes | None) -> bool:
    """Whether they are, or may be: so too where that cannot be read. Sets that come later in the film are not seen.

    `extradata`: what the container, or ffmpeg's first look at the film, says of how it is coded.
    """
    try:
        sets = [unit for unit in _units(extradata or b"") if unit[0] >> 1 & 63 == _PICTURE_PARAMETERS]
        return not sets or any(map(_wavefronts, sets))
    except IndexError:
        return True


def _units(data: bytes) -> Iterator[bytes]:
    """The first bytes of each unit, its head of two included."""
    if data[:1] != b"\1":
        for unit in data.split(b"\0\0\1")[1:]:
            yield unit[:_HEAD]
        return
    at = 23
    for _ in range(data[22]):
        count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            yield data[at : at + min(size, _HEAD)]
            at += size


def _wavefronts(unit: bytes) -> bool:
    """The entropy_coding_sync_enabled_flag of a set of picture parameters."""
    bits = BitReader(unit[2:].replace(b"\0\0\3", b"\0\0"))
    for _ in range(2):  # its own number and that of its sequence
        bits.read_exp_golomb()
    bits.read(1 + 1 + 3 + 1 + 1)
    for _ in range(3):  # references, and the quantiser
        bits.read_exp_golomb()
    bits.read(1 + 1)
    if bits.read(1):
        bits.read_exp_golomb()
    for _ in range(2):  # quantisers of colour
        bits.read_exp_golomb()
    bits.read(1 + 1 + 1 + 1)  # chroma offsets, weights twice, lossless blocks
    bits.read(1)  # tiles
    return bool(bits.read(1))
