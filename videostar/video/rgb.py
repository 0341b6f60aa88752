"""From a decoded picture to what a person would see of it: upright, square pixels, RGB, small enough."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

# Bit-exact: the same pixels whatever vector instructions the processor has.
_SCALING = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG: as they are, they look grey and flat
_LOCAL = threading.local()  # a scaler a thread, since setting one up takes longer than a small picture


def to_rgb(picture: VideoFrame, width: int, height: int) -> np.ndarray:
    """uint8 [rows, columns, 3], scaled to `width` and `height` as stored, then turned upright.

    Of interlaced pictures the first field is taken, what is transparent is laid on black, and HDR is brought to the
    range of ordinary screens.
    """
    if picture.interlaced_frame:
        picture = _field(picture)
    see_through = any(component.is_alpha for component in picture.format.components)
    options: dict[str, Any] = {"interpolation": _SCALING, "threads": 1}
    if picture.color_trc in _HDR:
        options |= {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
    scaled = _scaler().reformat(picture, width, height, "rgba" if see_through else "rgb24", **options).to_ndarray()
    if see_through:
        scaled = (scaled[..., :3].astype(np.uint16) * scaled[..., 3:] // 255).astype(np.uint8)
    return np.rot90(scaled, round(picture.rotation / 90))  # both count anticlockwise


def target_size(width: int, height: int, aspect: float, max_pixels: int) -> tuple[int, int]:
    """Width and height to scale pictures of that size to: square pixels, at most so many, never enlarged.

    `aspect` is how wide a stored pixel is shown for its height.
    """
    wide = width * min(1.0, aspect)  # oblong pixels are made square by shrinking one side
    tall = height / max(1.0, aspect)
    shrink = min(1.0, math.sqrt(max_pixels / (wide * tall)))
    rows = min(max(1, round(tall * shrink)), max_pixels)
    return min(max(1, round(wide * shrink)), max_pixels // rows), rows


def _scaler() -> VideoReformatter:
    scaler: VideoReformatter = vars(_LOCAL).setdefault("scaler", VideoReformatter())
    return scaler


def _field(picture: VideoFrame) -> VideoFrame:
    """The upper field of an interlaced picture: every second line, as the camera saw them at one time."""
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
