"""Converts a decoded picture to RGB as a person would see it: upright, with square pixels, and small enough."""

from __future__ import annotations

import math
import struct
import threading
from fractions import Fraction
from typing import Any, TypeAlias, cast

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

from videostar.video.movement import BLOCK

#: How stored pixels are placed on screen: (a, b, c, d) of x' = a x + c y and y' = b x + d y, with y downwards.
DisplayMatrix: TypeAlias = tuple[float, float, float, float]

# Bit-exact scaling gives the same pixels on all processors.
_SCALING = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)
_MEANS = int(Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG, which look grey and flat without conversion
# One scaler per thread and use, since preparing one takes longer than scaling a small picture.
_LOCAL = threading.local()


def to_rgb(picture: VideoFrame, width: int, height: int, matrix: DisplayMatrix | None = None) -> np.ndarray:
    """The picture as uint8 [rows, columns, 3], scaled to `width` and `height` and then turned and mirrored upright.

    An interlaced picture is reduced to its upper field, transparent parts are laid on black, and HDR is converted to
    BT.709. `matrix`: the orientation.
    """
    if picture.interlaced_frame:
        picture = _field(picture)
    see_through = any(component.is_alpha for component in picture.format.components)
    options: dict[str, Any] = {"interpolation": _SCALING, "threads": 1}
    if picture.color_trc in _HDR:
        options |= {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
    scaled = (
        _scaler("frames").reformat(picture, width, height, "rgba" if see_through else "rgb24", **options).to_ndarray()
    )
    if see_through:
        scaled = (scaled[..., :3].astype(np.uint16) * scaled[..., 3:] // 255).astype(np.uint8)
    return scaled if matrix is None else _upright(scaled, matrix)


def display_matrix(picture: VideoFrame) -> DisplayMatrix | None:
    """The orientation that the picture has from its container or its coded data, if any."""
    try:
        stored: Any = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know the kind of other data, such as EXIF, but still gives the angle
        angle = math.radians(picture.rotation)  # anticlockwise
        return (math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)) if angle else None
    if stored is None:
        return None
    a, b, _, c, d = struct.unpack("5i", bytes(stored)[:20])  # rows of three; the third column is perspective
    return a, b, c, d


def _upright(image: np.ndarray, matrix: DisplayMatrix) -> np.ndarray:
    """The image turned by a multiple of 90 degrees and mirrored, as players do; other angles are rounded."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):  # x and y change places
        image, a, d = image.transpose(1, 0, 2), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def brightness(picture: VideoFrame) -> np.ndarray:
    """The mean brightness of each block of the picture as it is stored, see `Movement`."""
    size = max(1, picture.width // BLOCK), max(1, picture.height // BLOCK)
    return (
        _scaler("means").reformat(picture, *size, "gray", interpolation=_MEANS, threads=1).to_ndarray().astype(np.int16)
    )


def target_size(width: int, height: int, aspect: float, max_pixels: int) -> tuple[int, int]:
    """The width and height, in square pixels, to scale pictures to: at most `max_pixels` in all, and never enlarged.

    `aspect`: width / height of a stored pixel on screen.
    """
    wide = width * min(1.0, aspect)  # pixels are made square by shrinking one side
    tall = height / max(1.0, aspect)
    shrink = min(1.0, math.sqrt(max_pixels / (wide * tall)))
    rows = min(max(1, round(tall * shrink)), max_pixels)
    return min(max(1, round(wide * shrink)), max_pixels // rows), rows


def _scaler(use: str) -> VideoReformatter:
    scaler: VideoReformatter = vars(_LOCAL).setdefault(use, VideoReformatter())
    return scaler


def _field(picture: VideoFrame) -> VideoFrame:
    """The upper field of an interlaced picture: every second line, all recorded at one time."""
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base or Fraction(1)
    )
    field, sink = graph.add("field", "type=top"), graph.add("buffersink")
    source.link_to(field)
    field.link_to(sink)
    graph.configure()
    graph.push(picture)
    return cast(VideoFrame, graph.pull())
