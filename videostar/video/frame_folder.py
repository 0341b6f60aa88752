"""A folder of pictures (00001.jpg, 00002.jpg, ...) as a video, at a rate that the user states."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from videostar.video.clip import Clip
from videostar.video.container import FileStatus, check_size, open_file, stat_file
from videostar.video.decode_selected import ROUNDING
from videostar.video.endings import PICTURE_ENDINGS
from videostar.video.errors import BadVideo
from videostar.video.movement import BLOCK, Movement, make_clip
from videostar.video.reader import check_length
from videostar.video.rgb import target_size
from videostar.video.sampling import Sampling

_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")  # Pillow opens no others, whatever a file is called
_NUMBER = re.compile(r"(\d+)")
_DECIMAL = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_TURNED = 5  # EXIF orientations from here on exchange width and height


@dataclass(frozen=True)
class FrameFolder:
    """The pictures of a folder, in the natural order of their names: 2 before 10. Other files are ignored."""

    folder: Path
    pictures: tuple[Path, ...]  # at least one
    fps: float

    @classmethod
    def open(cls, folder: Path, rate: float | None) -> FrameFolder:
        """The pictures in `folder`, shown at `rate` per second.

        Raises BadVideo if there are none, if they are not all of one series, or if there is no rate.
        """
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if _is_picture(entry)]
        except OSError as error:
            raise BadVideo("unreadable", str(error.strerror)) from None
        if not names:
            raise BadVideo("not a video", "a folder without pictures (.jpg, .png, .webp, .bmp)")
        series = {_NUMBER.sub("#", Path(name).stem): name for name in names}
        if len(series) > 1 or len({Path(name).stem for name in names}) < len(names):
            some = ", ".join(sorted(series.values() if len(series) > 1 else names)[:3])
            raise BadVideo("not a video", f"a folder with pictures of several series, such as {some}; keep one in it")
        if rate is None:
            raise BadVideo(
                "no frame rate",
                f"a folder of {len(names)} pictures; state how many are shown per second: --set video.frame_rate=12",
            )
        stems = [Path(name).stem for name in names]
        times = all(map(_DECIMAL.fullmatch, stems))  # 0.5.jpg, 0.25.jpg: named by their times
        names.sort(
            key=lambda name: [float(Path(name).stem)] if times else list(map(int, _NUMBER.findall(Path(name).stem)))
        )
        made = cls(folder, tuple(folder / name for name in names), rate)
        check_length(made.seconds)
        return made

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.pictures) / self.fps

    @property
    def status(self) -> FileStatus:
        """A status that changes with every change of a picture. Raises BadVideo."""
        all_of_them = []
        for picture in self.pictures:
            with _named(picture):
                all_of_them.append(stat_file(picture))
        folder = self.folder.stat()  # changes if a picture is added, removed or renamed
        return FileStatus(
            sum(each.size for each in all_of_them),
            max(folder.st_mtime_ns, *(each.mtime_ns for each in all_of_them)),
            max(folder.st_ctime_ns, *(each.ctime_ns for each in all_of_them)),
        )

    @cached_property
    def sha256(self) -> str:
        """The digest of all pictures, in order (hexadecimal). Raises BadVideo."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            with _named(picture), open_file(picture) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def check(self) -> tuple[int, int]:
        """The width and height of the pictures, upright. Raises BadVideo if one is damaged or has another size."""
        first = _upright_size(self.pictures[0])
        for picture in self.pictures[1:]:
            size = _upright_size(picture)
            if size != first:
                sizes = f"{size[0]} x {size[1]}, and the first one {first[0]} x {first[1]}"
                raise BadVideo("not a video", f"pictures of several sizes: {picture.name} has {sizes}")
        return first

    def decode(self, sampling: Sampling, sha256: str | None) -> Clip:
        """The frames at the times of `sampling`. Raises BadVideo, also if the digest is not `sha256` (if given)."""
        if sha256 is not None and self.sha256 != sha256:
            raise BadVideo("unreadable", "changed since it was checked")
        times = sampling.times(self.seconds)
        numbers = [min(int((time + ROUNDING) * self.fps), len(self.pictures) - 1) for time in times]
        movement, images = Movement(), dict[int, np.ndarray]()
        for number in dict.fromkeys(numbers):
            with _opened(self.pictures[number]) as image:
                upright = _upright(image)
            width, height = upright.size
            if not movement.seen:
                blocks = max(1, width // BLOCK), max(1, height // BLOCK)
                movement.add(np.asarray(upright.convert("L").resize(blocks, Image.Resampling.BOX), np.int16))
            size = target_size(width, height, 1.0, sampling.max_pixels)
            images[number] = np.asarray(upright.resize(size, Image.Resampling.BICUBIC))
        if len({image.shape for image in images.values()}) > 1:
            raise BadVideo("not a video", "pictures of several sizes")
        shown = [(number / self.fps, images[number]) for number in numbers]
        return make_clip(shown, times, movement.seen, self.fps, self.seconds)


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a picture by its name; hidden files of systems are not."""
    return Path(entry.name).suffix.lower() in PICTURE_ENDINGS and not entry.name.startswith(".") and not entry.is_dir()


def _upright_size(picture: Path) -> tuple[int, int]:
    with _opened(picture) as image:
        return image.size[::-1] if image.getexif().get(ExifTags.Base.Orientation, 1) >= _TURNED else image.size


@contextmanager
def _opened(picture: Path) -> Iterator[Image.Image]:
    """A picture of which only the header is read yet. Raises BadVideo, also for all errors of Pillow in the block."""
    with _named(picture), open_file(picture) as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=_FORMATS) as image:
            check_size(*image.size)
            yield image


@contextmanager
def _named(picture: Path) -> Iterator[None]:
    """Turns errors into BadVideo with the picture's name."""
    try:
        yield
    except BadVideo as bad:
        raise BadVideo(
            "too large" if bad.reason == "too large" else "damaged", f"{picture.name}: {bad.detail}"
        ) from bad
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadVideo("too large", f"{picture.name}: {error}") from error
    except Exception as error:  # Pillow's readers raise many kinds
        raise BadVideo("damaged", f"{picture.name}: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    """The picture in RGB, turned and mirrored as its EXIF data state; transparent parts are laid on black."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off instead of scaling
        image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", upright.size, "black"), upright).convert("RGB")
    return upright.convert("RGB")
