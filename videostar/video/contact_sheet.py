"""Draws the frames of a clip on one picture, with their times, for people to look at."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videostar.video.clip import Clip
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.probe import VideoFacts, probe
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

_ROW = 4  # frames in a row, at least, if there are so many
_WIDTH = 160  # pixels: smaller frames are enlarged by a whole factor to at least this width, so that times can be read
_MAX_HEIGHT = 1600  # pixels: no frame is enlarged beyond this height
_STRIP, _TEXT = 20, 13  # pixels: height of the strip below a frame, and of its letters
_GREY = (160, 160, 160)


def sample(video: Path, sampling: Sampling) -> tuple[VideoFacts, Clip]:
    """The properties of a video and its frames, read in a worker process. Raises BadVideo."""
    with Workers(1) as workers:
        shown: tuple[VideoFacts, Clip] | BadVideo = workers.submit(workers.call, _sample, video, sampling).result()
    if isinstance(shown, BadVideo):
        raise shown
    return shown


def _sample(video: Path, sampling: Sampling) -> tuple[VideoFacts, Clip]:
    return probe(video, sampling.rate), decode(video, sampling)


def contact_sheet(clip: Clip) -> bytes:
    """A PNG with the frames of `clip` in a grid of equal cells without gaps, row by row in the order of time.

    A cell is a frame, pixel by pixel (or enlarged by a whole factor), above a strip with its time.
    """
    count, height, width, _ = clip.frames.shape
    factor = max(1, min(math.ceil(_WIDTH / width), _MAX_HEIGHT // height))
    columns = min(count, max(_ROW, math.ceil(math.sqrt(count))))
    cell = width * factor, height * factor + _STRIP
    sheet = Image.new("RGB", (columns * cell[0], math.ceil(count / columns) * cell[1]))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for number, (frame, time) in enumerate(zip(clip.frames, clip.times, strict=True)):
        left, top = number % columns * cell[0], number // columns * cell[1]
        enlarged = np.ascontiguousarray(frame).repeat(factor, axis=0).repeat(factor, axis=1)
        sheet.paste(Image.fromarray(enlarged), (left, top))
        middle = left + cell[0] // 2, top + cell[1] - _STRIP // 2
        draw.text(middle, f"{time:.2f} s", fill=_GREY, font=font, anchor="mm")
    content = BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
