"""Kinds of good, odd and broken files, and what must become of each.

Good and odd ones are made by the encoders of PyAV, broken ones from those by changing bytes.
"""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from films import HEIGHT, WIDTH, bars, film, joined, sound

from videostar.video.errors import Reason

Make = Callable[[Path], object]

BROKEN: tuple[Reason, ...] = ("not a video", "no video stream", "unreadable", "ends early", "damaged")
SHOWN = (0, 100, 1000, 1040, 1080, 1900, 2000)  # ms: a variable frame rate
TENTHS = tuple(range(0, 2000, 100))  # ms: what GIF can say exactly


@dataclass(frozen=True)
class Kind:
    """How to make a file, and what may become of it."""

    make: Make
    taken: bool = True  # whether it may be taken, and then with the right pictures
    reasons: tuple[Reason, ...] = ()  # for which it may be refused
    size: tuple[int, int] = (WIDTH, HEIGHT)  # of the pictures shown
    turned: int = 0  # quarters anticlockwise that the pictures must be turned by to be read
    first: int | None = 0  # the number that the first picture shows; None: any
    stamps: Sequence[int] | None = None  # ms of each picture, instead of 30 a second
    readable: bool = True  # whether pictures show numbers
    gaps: int = 0  # pictures in a row that may be missing


def good(codec: str = "libx264", reads: dict[str, Any] | None = None, **how: Any) -> Kind:
    """A film that must be taken; `reads`: what its Kind says besides."""
    known = {key: how[key] for key in ("size", "stamps") if key in how}
    return Kind(partial(film, codec=codec, **how), **{**known, **(reads or {})})


def refused(make: Make, *reasons: Reason) -> Kind:
    return Kind(make, taken=False, reasons=reasons)


def either(make: Make, **reads: Any) -> Kind:
    """Broken so that whether it is refused depends on where; if it is taken, its pictures are right."""
    return Kind(make, reasons=BROKEN, **reads)


QUICK_VP9 = {"deadline": "realtime", "cpu-used": "8"}
QUICK_AV1 = {"preset": "12", "svtav1-params": "lp=1"}
QUIET = "log-level=none:pools=1"
LOSSLESS = {"qp": "0"}
INTERLACED = {"flags": "+ildct+ilme", "b": "2M"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def films() -> Iterator[tuple[str, Kind]]:
    """Plain and odd, but sound."""
    yield "h264.mp4", good(options={"bf": "0", "g": "12"})
    yield "h264-b-frames.mp4", good(options={"bf": "3", "g": "30"})
    yield "h264-open-gop.mp4", good(options={"x264-params": "open-gop=1:keyint=12:bframes=3"})
    yield "h264-endless-gop.mkv", good(options={"x264-params": "keyint=infinite:scenecut=0"})
    yield "h264-cavlc-slices.mp4", good(options={"x264-params": "cabac=0:slices=4:bframes=2"})
    yield "h264-intra-refresh.mp4", good(options={"x264-params": "intra-refresh=1:keyint=20"})
    yield "h264.ts", good(options={"bf": "2"})
    yield "h264.flv", good(options={"bf": "2"})
    yield "hevc.mp4", good("libx265", options={"x265-params": f"{QUIET}:keyint=20:bframes=3"})
    yield "hevc-open-gop.mkv", good("libx265", options={"x265-params": f"{QUIET}:open-gop=1:keyint=12:bframes=4"})
    yield "hevc-no-wpp.ts", good("libx265", options={"x265-params": f"{QUIET}:wpp=0"})
    yield "vp8.webm", good("libvpx", options={"deadline": "realtime", "b": "800k"})
    yield "vp9.webm", good("libvpx-vp9", options=QUICK_VP9)
    yield "vp9-hidden-frames.webm", good("libvpx-vp9", options={"auto-alt-ref": "1", "lag-in-frames": "16"})
    yield "av1.webm", good("libsvtav1", options=QUICK_AV1)
    yield "av1.mp4", good("libsvtav1", options=QUICK_AV1)
    yield "mpeg4.avi", good("mpeg4", options={"b": "800k"})
    yield "mpeg4-b-frames.avi", good("mpeg4", options={"bf": "2", "b": "800k"})
    yield "mpeg1.mpg", good("mpeg1video", options={"b": "1M"})
    yield "mpeg2.mpg", good("mpeg2video", options={"bf": "2", "b": "1M"})
    yield "wmv2.asf", good("wmv2", options={"b": "1M"})
    yield "mjpeg.mov", good("mjpeg", pixels="yuvj420p")
    yield "colours.gif", good("gif", pixels="rgb8", stamps=TENTHS)
    yield "vfr.mp4", good(stamps=SHOWN)
    yield "vfr.webm", good("libvpx-vp9", options=QUICK_VP9, stamps=SHOWN)
    yield "offset.mp4", good(start=300)
    yield "offset.mkv", good(start=300)
    yield "offset.ts", good(start=300)
    yield "edit-list.mp4", good(start=-15, muxing={"use_editlist": "1"}, reads={"first": 15})
    yield "one-picture.mp4", good(pictures=1)
    yield "one-picture.webm", good("libvpx-vp9", pictures=1, options=QUICK_VP9)
    yield "one-picture.gif", good("gif", pictures=1, pixels="rgb8")
    yield "odd.avi", good("mpeg4", size=(127, 95), options={"b": "800k"})
    yield "odd.mp4", good(size=(127, 95), pixels="yuv444p")
    yield "16x16.mp4", good(size=(16, 16), options=LOSSLESS)
    yield "2x2.mp4", good(size=(2, 2), reads={"readable": False})
    yield "2x2.webm", good("libvpx-vp9", size=(2, 2), options=QUICK_VP9, reads={"readable": False})
    yield "10-bit.mp4", good(pixels="yuv420p10le")
    yield "10-bit.mkv", good("libx265", pixels="yuv420p10le", options={"x265-params": QUIET})
    yield "pq.mp4", good(pixels="yuv420p10le", transfer=16)
    yield "hlg.mp4", good(pixels="yuv420p10le", transfer=18)
    yield "alpha.webm", good("libvpx-vp9", pixels="yuva420p", options=QUICK_VP9)
    yield "alpha-qtrle.mov", good("qtrle", pixels="argb")
    yield "alpha-prores.mov", good("prores_ks", pixels="yuva444p10le")
    yield "alpha-ffv1.mkv", good("ffv1", pixels="yuva420p")
    yield "full-range.mp4", good(pixels="yuvj420p")
    yield "422.mp4", good(pixels="yuv422p")
    yield "444.mp4", good(pixels="yuv444p")
    yield "grey.mkv", good(pixels="gray")
    yield "interlaced.ts", good(options={"x264-params": "interlaced=1"})
    yield "interlaced.mpg", good("mpeg2video", options=INTERLACED)
    for degrees in (90, 180, 270):
        size = (WIDTH, HEIGHT) if degrees == 180 else (HEIGHT, WIDTH)
        yield f"turned-{degrees}.mp4", good(rotation=degrees, reads={"size": size, "turned": -degrees // 90})
    yield "oblong.mp4", good(aspect=Fraction(2), reads={"size": (WIDTH, HEIGHT // 2)})
    yield "live.mkv", good(muxing={"live": "1"})
    yield "live.webm", good("libvpx-vp9", options=QUICK_VP9, muxing={"live": "1"})
    yield "fragments.mp4", good(options={"g": "15"}, muxing=FRAGMENTS)


def aside(path: Path, name: str, *what: Any, make: Callable[..., Path] = film, **how: Any) -> Path:
    """What `path` is made of, beside it."""
    folder = path.with_name(f"parts-of-{path.name}")
    folder.mkdir(exist_ok=True)
    return make(folder / name, *what, **how)


def two_videos(path: Path) -> None:
    joined(path, aside(path, "a.mp4"), aside(path, "b.mp4", range(100, 160)))


def longer_sound(path: Path) -> None:
    joined(path, aside(path, "a.mp4"), aside(path, "b.m4a", make=sound, seconds=5))


def cover_and_film(path: Path) -> None:
    joined(path, aside(path, "a.m4a", make=sound, cover=True), aside(path, "b.mp4"))


def new_program(path: Path, **how: Any) -> None:
    """A transport stream whose pictures go on in another stream, which nothing announced."""
    muxing = {"mpegts_start_pid": "0x200", "mpegts_service_id": "2", "mpegts_pmt_start_pid": "0x1500"}
    parts = aside(path, "a.ts"), aside(path, "b.ts", range(60, 120), start=60, muxing=muxing, **how)
    path.write_bytes(b"".join(part.read_bytes() for part in parts))


def headless(path: Path) -> None:
    """Begins in the middle, as a recording does."""
    content = film(path, options={"g": "15"}).read_bytes()
    path.write_bytes(content[len(content) // 3 :])


def mixtures() -> Iterator[tuple[str, Kind]]:
    yield "two-videos.mp4", Kind(two_videos)
    yield "longer-sound.mp4", Kind(longer_sound)
    yield "longer-sound.mkv", Kind(longer_sound)
    yield "cover-and-film.mp4", Kind(cover_and_film)
    yield "new-program.ts", Kind(new_program)
    yield "new-program-and-size.ts", Kind(partial(new_program, size=(64, 48)))
    yield "headless.ts", Kind(headless, first=None)


def written(content: bytes | str) -> Make:
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def still(path: Path, codec: str) -> None:
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = WIDTH, HEIGHT, Fraction(1)
    context.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
    picture = av.VideoFrame.from_ndarray(bars(1), format="rgb24")
    path.write_bytes(b"".join(map(bytes, [*context.encode(picture), *context.encode(None)])))


def listed(path: Path, text: str) -> None:
    """A playlist that names a real video beside it."""
    path.write_text(text.format(aside(path, "real.mp4").relative_to(path.parent)))


def archive(path: Path, kind: str) -> None:
    real = aside(path, "real.mp4")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as opened:
            opened.write(real, "real.mp4")
    elif kind == "tar":
        with tarfile.open(path, "w") as opened:
            opened.add(real, "real.mp4")
    else:
        path.write_bytes(gzip.compress(real.read_bytes()))


DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>'
)


def not_films() -> Iterator[tuple[str, Kind]]:
    yield "empty.mp4", refused(written(b""), "empty")
    yield "zeros.mp4", refused(written(bytes(100_000)), "not a video")
    yield "noise.mp4", refused(written(np.random.default_rng(1).bytes(100_000)), "not a video")
    yield "text.mp4", refused(written("no film\n" * 99), "not a video")
    yield "ffconcat.mp4", refused(partial(listed, text="ffconcat version 1.0\nfile {}\n"), "not a video")
    yield "hls.mp4", refused(partial(listed, text="#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"), "not a video")
    yield "list.m3u8", refused(partial(listed, text="#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"), "not a video")
    yield "dash.mpd", refused(partial(listed, text=DASH), "not a video")
    for kind in ("zip", "tar", "gzip"):
        yield f"{kind}.mp4", refused(partial(archive, kind=kind), "not a video")
    for codec in ("png", "mjpeg"):
        yield f"{codec}-picture.mp4", refused(partial(still, codec=codec), "not a video")
    yield "sound.mp4", refused(sound, "no video stream")
    yield "cover.m4a", refused(partial(sound, cover=True), "no video stream")


def patched(path: Path, mark: bytes, offset: int, new: bytes, **how: Any) -> None:
    """A film with other bytes at a distance from the first `mark`."""
    content = bytearray(film(path, **how).read_bytes())
    place = content.index(mark) + offset
    content[place : place + len(new)] = new
    path.write_bytes(content)


def huge(mark: bytes, offset: int, new: bytes, **how: Any) -> Kind:
    """A film whose header tells of pictures of billions of pixels."""
    return refused(partial(patched, mark=mark, offset=offset, new=new, **how), "too large", *BROKEN)


def cut(path: Path, tenths: int, **how: Any) -> None:
    content = film(path, **how).read_bytes()
    path.write_bytes(content[: tenths * len(content) // 10])


def flipped(path: Path, bits: int, **how: Any) -> None:
    content = np.frombuffer(film(path, **how).read_bytes(), np.uint8).copy()
    for place in np.random.default_rng(bits).integers(0, 8 * len(content), bits):
        content[place // 8] ^= 1 << (place % 8)
    path.write_bytes(content.tobytes())


CONTAINERS: dict[str, dict[str, Any]] = {
    "faststart.mp4": {"muxing": {"movflags": "faststart"}},
    "moov-last.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": QUICK_VP9},
}


def broken() -> Iterator[tuple[str, Kind]]:
    for name, how in CONTAINERS.items():
        for tenths in range(1, 10):
            make = partial(cut, tenths=tenths, **how)
            # Whatever says how long it is tells that much is missing.
            known = name == "moov-last.mp4" or (tenths < 9 and not name.endswith(".ts"))
            yield f"cut-{tenths}0-{name}", refused(make, *BROKEN) if known else either(make, gaps=3)  # B-frames
        for bits in (2, 10, 60):  # how many wrong pictures are found is for test_flips.py
            yield f"flipped-{bits}-{name}", either(partial(flipped, bits=bits, **how), readable=False)
    yield "huge.gif", huge(b"GIF8", 6, b"\xff" * 4, codec="gif", pixels="rgb8")
    yield "huge.mov", huge(b"rle ", 28, b"\xff" * 4, codec="qtrle", pixels="rgb24")
    yield "huge.avi", huge(b"strf", 12, struct.pack("<ii", 10**9, 10**9), codec="ffv1")
    # Only the container says so, and in the shape that the pictures have.
    yield (
        "huge-claim.mp4",
        either(partial(patched, mark=b"avc1\0\0\0\0", offset=28, new=struct.pack(">HH", 65532, 49149))),
    )
    yield "huge-table.mp4", either(partial(patched, mark=b"stsz", offset=12, new=b"\x7f\xff\xff\xff"))
    yield "huge-times.mp4", either(partial(patched, mark=b"stts", offset=8, new=b"\x7f\xff\xff\xff"))


KINDS: dict[str, Kind] = dict([*films(), *mixtures(), *not_films(), *broken()])
