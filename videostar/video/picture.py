"""Reads a picture file to RGB, no larger than a frame of a video would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from videostar.video.container import check_size, open_file
from videostar.video.errors import BadVideo
from videostar.video.rgb import target_size

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # none that runs another program or names another file


def read_picture(path: Path, max_pixels: int) -> np.ndarray:
    """The picture in a file as uint8 [rows, columns, 3], upright and of at most `max_pixels`.

    Raises BadVideo if the file is missing, damaged or too large.
    """
    with open_file(path) as file:
        try:
            picture = Image.open(file, formats=_FORMATS)
            check_size(*picture.size)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # as Pillow raises them
            raise BadVideo("unreadable", f"no picture that Pillow reads ({error})") from error
        return np.array(upright.resize(target_size(*upright.size, 1.0, max_pixels)))
