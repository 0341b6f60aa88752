"""Finds out whether an HEVC video is coded with wavefronts, so that rows of a picture can be decoded in parallel.

This is a flag of the picture parameter sets (ITU-T H.265, 7.3.2.3), which are in the container (hvcC, ISO/IEC 14496-15,
8.3.3) or between start codes.
"""

from __future__ import annotations

from collections.abc import Iterator

from videostar.video.codecs.bits import BitReader

_PICTURE_PARAMETERS = 34  # nal_unit_type of a picture parameter set
_HEAD = 64  # bytes of a unit that are read


def may_use_wavefronts(extradata: bytes | None) -> bool:
    """Whether a video has wavefronts. True if `extradata`, the stream's header data as ffmpeg has it, cannot be read.

    Parameter sets that come later in the video are not read.
    """
    try:
        sets = [unit for unit in _units(extradata or b"") if unit[0] >> 1 & 63 == _PICTURE_PARAMETERS]
        return not sets or any(map(_wavefronts, sets))
    except IndexError:
        return True


def _units(data: bytes) -> Iterator[bytes]:
    """The first bytes of each NAL unit, with its header of two bytes."""
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
    """The entropy_coding_sync_enabled_flag of a picture parameter set."""
    bits = BitReader(unit[2:].replace(b"\0\0\3", b"\0\0"))
    for _ in range(2):  # IDs of the picture and sequence parameter sets
        bits.read_exp_golomb()
    bits.read(1 + 1 + 3 + 1 + 1)
    for _ in range(3):  # numbers of references, initial quantiser
        bits.read_exp_golomb()
    bits.read(1 + 1)
    if bits.read(1):
        bits.read_exp_golomb()
    for _ in range(2):  # quantiser offsets of chroma
        bits.read_exp_golomb()
    bits.read(1 + 1 + 1 + 1)  # chroma offsets per slice, weighted prediction (2), lossless blocks
    bits.read(1)  # tiles
    return bool(bits.read(1))
