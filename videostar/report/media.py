"""Pictures and films of the gallery: the frames that the model saw, and the video in a form that browsers play."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from videostar.data.source import DataSource
from videostar.report.examples import Item
from videostar.runs.manifest import Manifest
from videostar.stages.ledger import Shown
from videostar.util.errors import UserError
from videostar.util.files import Below
from videostar.util.progress import Tick
from videostar.video.cache import FrameCache
from videostar.video.clip import Clip
from videostar.video.container import open_file, open_video
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.object_cache import ObjectCache
from videostar.video.pool import ClipRequest, iter_clips
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

_WIDTH = 160  # pixels of a frame in the page, at most; small frames are enlarged by a whole factor
_COPIED = 8 << 20  # bytes of a file that is copied as it is, at most
_PLAYED = {"mp4": "h264 av1 vp9", "webm": "vp8 vp9 av1"}  # codecs that browsers play, by the ending of the copy
_PICTURES, _PIXELS = 240, 320 * 240  # of a film that is made for the page
_DIGEST = re.compile(r"[0-9a-f]{16,64}")


@dataclass
class MediaFolder:
    """Writes files below a page, or returns them as data URIs, until `budget` bytes are used."""

    folder: Path | None  # None: data URIs
    budget: int
    used: int = 0

    def add(self, name: str, kind: str, content: bytes) -> str | None:
        """The address of a file for the page; None if there is no room for it."""
        size = len(content) if self.folder else 4 * len(content) // 3
        if self.used + size > self.budget:
            return None
        self.used += size
        if self.folder is None:
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
        (self.folder / name).write_bytes(content)
        return f"{self.folder.name}/{name}"


def add_media(items: Sequence[Item], manifest: Manifest, out: MediaFolder, tick: Tick) -> str | None:
    """Add frames and films to the items, as far as their videos are there. Returns why there are none, if so."""
    try:
        root = DataSource.of(manifest.settings).places.root
    except UserError as error:
        return str(error)
    video = manifest.settings.video
    places = Below(root, confine=False)
    wanted: dict[ClipRequest, list[tuple[Item, Shown]]] = {}
    for item in items:
        span = item.span if len(item.span) == 2 else None
        sampling = video.sampling((span[0], span[1]) if span else None)
        for shown in item.videos:
            path = places.path(shown.video)
            if path is not None and _DIGEST.fullmatch(shown.video_sha256):
                wanted.setdefault((path, shown.video_sha256, sampling), []).append((item, shown))
    try:
        return _add_wanted(wanted, manifest.settings.cache.frames(), out, tick)
    except UserError as error:  # an object store that cannot be reached
        return str(error)


def _add_wanted(
    wanted: Mapping[ClipRequest, Sequence[tuple[Item, Shown]]], cache: FrameCache, out: MediaFolder, tick: Tick
) -> str | None:
    films: dict[str, str | None] = {}
    without: str | None = None  # why there are no films
    with Workers(1) as workers:
        for done, ((path, sha256, sampling), clip) in enumerate(iter_clips(cache, wanted), start=1):
            tick(done, len(wanted))
            if isinstance(clip, BadVideo):
                continue
            name = f"{sha256[:16]}-{hashlib.sha256(sampling.key.encode()).hexdigest()[:6]}.jpg"
            strip, size = _strip(clip)
            pictures = out.add(name, "image/jpeg", strip)
            if pictures is None:
                break
            if sha256 not in films and without is None:
                try:
                    films[sha256] = _add_film(workers, cache.objects, path, sha256, out)
                except UserError as error:
                    without = str(error)
            shown_as = {"strip": pictures, "size": size, "times": clip.times, "film": films.get(sha256)}
            for item, shown in wanted[path, sha256, sampling]:
                item.media.append({"video": shown.video, **shown_as})
    return without


def _add_film(workers: Workers, objects: ObjectCache, path: Path, sha256: str, out: MediaFolder) -> str | None:
    film: tuple[str, bytes] | BadVideo
    try:
        with objects.local(path) as file:
            film = workers.submit(workers.call, playable, file, sha256).result()
    except BadVideo:
        return None
    if isinstance(film, BadVideo):
        return None
    ending, content = film
    return out.add(f"{sha256[:16]}.{ending}", f"video/{ending}", content)


def _strip(clip: Clip) -> tuple[bytes, tuple[int, int]]:
    """A JPEG with all frames in a row, and the width and height of one."""
    height, width = clip.frames.shape[1:3]
    if width <= _WIDTH:
        factor = max(1, _WIDTH // 2 // width)
        frames = clip.frames.repeat(factor, axis=1).repeat(factor, axis=2)
    else:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        frames = np.stack([np.asarray(Image.fromarray(frame).resize(size)) for frame in clip.frames])
    content = BytesIO()
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(content, "JPEG", quality=82)
    return content.getvalue(), (frames.shape[2], frames.shape[1])


def playable(path: Path, sha256: str) -> tuple[str, bytes]:
    """The ending and content of a film that browsers play: the file itself if they can, else a small copy.

    Runs in a worker process. Raises BadVideo.
    """
    if path.is_file() and path.stat().st_size <= _COPIED:
        with open_file(path) as file:
            with open_video(file) as (container, stream):
                ending = "webm" if "webm" in container.format.name and path.suffix == ".webm" else "mp4"
                known = ending == "webm" or "mp4" in container.format.name
                codec = stream.codec_context.name if stream.codec_context else ""
                plays = codec in _PLAYED[ending].split() and stream.codec_context.pix_fmt == "yuv420p"
            if known and plays:
                file.seek(0)
                content = file.read()
                if hashlib.sha256(content).hexdigest() != sha256:
                    raise BadVideo("unreadable", "changed since it was checked")
                return ending, content
    return "mp4", _film(decode(path, Sampling(_PICTURES, _PIXELS), sha256))


def _film(clip: Clip) -> bytes:
    """An MP4 of the pictures of a clip at their times."""
    _, height, width, _ = clip.frames.shape
    content = BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=30, options={"crf": "28", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2 or 2, height // 2 * 2 or 2, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        last = -1
        for frame, time in zip(clip.frames, clip.times, strict=True):
            at = round(time * 1000)
            if at <= last:
                continue  # pictures repeat if there are fewer of them than frames
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base, last = at, Fraction(1, 1000), at
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return content.getvalue()
