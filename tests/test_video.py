"""Videos: which files are taken, and whether the right picture is seen at the right time."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import HEIGHT, WIDTH, bars, digest, film, numbers_in, sound, waves
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.video import container, reader
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.probe import probe
from videostar.video.sampling import Sampling, frame_times

KINDS = {
    "h264-b-frames.mp4": ("libx264", {"bf": "3", "g": "30"}),
    "h264-one-gop.mp4": ("libx264", {"bf": "2", "g": "250"}),
    "h264-all-key.mkv": ("libx264", {"g": "1"}),
    "h264.ts": ("libx264", {"bf": "2"}),
    "h264.flv": ("libx264", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"b": "800k"}),
    "mpeg4-b-frames.avi": ("mpeg4", {"bf": "2", "b": "800k"}),  # packets without presentation times
    "mpeg2.mpg": ("mpeg2video", {"bf": "2", "b": "800k"}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime", "b": "800k"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_format_gives_the_picture_on_screen_at_each_time(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, 60, *KINDS[name])
    facts = probe(path)
    assert facts.seconds == pytest.approx(2, abs=0.002)
    assert facts.fps == pytest.approx(30, abs=0.1)
    assert (facts.width, facts.height, facts.bytes) == (WIDTH, HEIGHT, path.stat().st_size)
    assert facts.sha256 == digest(path)
    clip = decode(path, Sampling(7, 10**6))
    expected = [math.floor(time * 30 + 0.03) for time in frame_times(2, 7)]
    assert numbers_in(clip) == expected
    assert clip.times == pytest.approx([number / 30 for number in expected], abs=0.002)
    assert clip.frames.shape == (7, HEIGHT, WIDTH, 3)
    assert clip.frames.dtype == np.uint8
    assert (clip.seconds, clip.fps) == (facts.seconds, facts.fps)
    assert np.array_equal(decode(path, Sampling(7, 10**6)).frames, clip.frames)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("start", [0, 5000])
def test_time_counts_from_the_first_picture_and_not_by_pictures(tmp_path: Path, name: str, start: int) -> None:
    shown = [0, 100, 1000, 1040, 1080, 1900, 2000]
    path = film(tmp_path / name, stamps=[start + at for at in shown], options={"bf": "2"})
    clip = decode(path, Sampling(10, 10**6))
    expected = [max(n for n, at in enumerate(shown) if at <= 1000 * time + 1) for time in frame_times(clip.seconds, 10)]
    assert 2.0 < clip.seconds < 2.2
    assert numbers_in(clip) == expected
    assert clip.times == pytest.approx([shown[number] / 1000 for number in expected], abs=0.001)


def test_pictures_repeat_when_there_are_fewer_than_asked_for(tmp_path: Path) -> None:
    clip = decode(film(tmp_path / "a.mp4", 2), Sampling(6, 10**6))
    assert numbers_in(clip) == [0, 0, 0, 1, 1, 1]
    assert numbers_in(decode(film(tmp_path / "b.mp4", 1), Sampling(3, 10**6))) == [0, 0, 0]


@pytest.mark.parametrize("max_pixels", [1, 7, 1000, 5000, WIDTH * HEIGHT, 10**9])
def test_pictures_are_shrunk_to_the_budget_and_never_enlarged(tmp_path: Path, max_pixels: int) -> None:
    _, height, width, _ = decode(film(tmp_path / "a.mp4", 3), Sampling(1, max_pixels)).frames.shape
    assert 1 <= height * width <= min(max_pixels, WIDTH * HEIGHT)
    if max_pixels >= 1000:
        assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.06)
        assert height * width > 0.9 * min(max_pixels, WIDTH * HEIGHT)


def test_oblong_pixels_are_made_square_and_turned_films_upright(tmp_path: Path) -> None:
    wide = decode(film(tmp_path / "wide.mp4", 3, aspect=Fraction(2)), Sampling(1, 10**6))
    assert wide.frames.shape[1:3] == (HEIGHT // 2, WIDTH)
    turned = decode(film(tmp_path / "turned.mp4", 3, rotation=-90), Sampling(1, 10**6))
    assert turned.frames.shape[1:3] == (WIDTH, HEIGHT)
    plain = decode(film(tmp_path / "plain.mp4", 3), Sampling(1, 10**6))
    assert np.array_equal(turned.frames[0], np.rot90(plain.frames[0], -1))  # clockwise, as a telephone means it


@pytest.mark.shared
@pytest.mark.parametrize("name", ["test.avi", "part_0.mp4", "demo_spatiotemporal_det.mp4"])
def test_real_clips_give_what_pyav_gives(shared: Path, name: str) -> None:
    path = shared / "clips" / name
    clip = decode(path, Sampling(8, 10**9))
    _, height, width, _ = clip.frames.shape
    with av.open(str(path)) as opened:
        frames = list(opened.decode(video=0))
    times = sorted(frame.time for frame in frames)  # ffmpeg makes them up for this AVI, and swaps some
    for image, at, time in zip(clip.frames, clip.times, frame_times(clip.seconds, 8), strict=True):
        shown = max(n for n, other in enumerate(times) if other - times[0] <= time + 0.001)
        naive = frames[shown].to_ndarray(format="rgb24", width=width, height=height)
        assert at == pytest.approx(times[shown] - times[0])
        assert np.abs(image.astype(int) - naive).mean() < 3  # PyAV's default filter is a simpler one


def cut(tmp_path: Path, name: str, share: float, muxing: str = "faststart") -> Path:
    whole = film(tmp_path / f"whole-{name}", 60, *KINDS.get(name, ("libx264", {})), muxing={"movflags": muxing})
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def bad_files(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Name, file and reason."""
    real = film(folder / "real.mp4", 5)
    yield "missing", folder / "none.mp4", "missing"
    yield "a file as a folder", real / "a.mp4", "missing"
    yield "null", folder / "a\0b.mp4", "missing"
    yield "folder", folder, "not a video"
    yield "empty", text(folder / "empty.mp4", ""), "empty"
    yield "words", text(folder / "words.mp4", "no film\n" * 99), "not a video"
    yield "concat", text(folder / "clip.mp4", f"ffconcat version 1.0\nfile {real.name}\n"), "not a video"
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{real.name}\n#EXT-X-ENDLIST\n"
    yield "hls", text(folder / "hls.mp4", playlist), "not a video"
    yield "hls by name", text(folder / "list.m3u8", playlist), "not a video"
    yield "sound", sound(folder / "sound.mp4"), "no video stream"
    yield "cover", sound(folder / "cover.m4a", cover=True), "no video stream"
    yield "no index", cut(folder, "no-index.mp4", 0.3, muxing="disable_chpl"), "not a video"
    for name in ("short.mp4", "short.mkv", "h264.flv", "mpeg4.avi", "vp9.webm"):
        yield f"cut {name}", cut(folder, name, 0.7), "ends early"


def test_bad_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    for name, path, reason in bad_files(tmp_path):
        for use in (probe, lambda file: decode(file, Sampling(4, 1000))):
            with pytest.raises(BadVideo) as caught:
                use(path)
            assert caught.value.reason == reason, (name, caught.value)
            assert "\n" not in str(caught.value)
            again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # as between processes
            assert (again.reason, again.detail) == (caught.value.reason, caught.value.detail)


@pytest.mark.parametrize(("draw", "reason"), [(bars, "blank"), (waves, "still")])
def test_a_film_in_which_nothing_happens_is_refused(tmp_path: Path, draw: Any, reason: str) -> None:
    sampling = Sampling(8, 1000, still="skip")
    same = film(tmp_path / "same.mp4", [0] * 60, options={"qp": "0"}, pixels="yuv444p", draw=draw)
    with pytest.raises(BadVideo) as caught:
        decode(same, sampling)
    assert caught.value.reason == reason
    little = film(tmp_path / "little.mp4", [0] * 50 + [1] * 10, draw=draw)
    assert len(decode(little, sampling).frames) == 8
    assert len(decode(film(tmp_path / "short.mp4", [0, 0, 0], draw=draw), sampling).frames) == 8  # who knows


def test_a_playlist_that_ffmpeg_itself_would_follow_is_refused(tmp_path: Path) -> None:
    film(tmp_path / "secret.mp4", 5)
    disguised = text(tmp_path / "clip.mp4", "ffconcat version 1.0\nfile secret.mp4\n")
    with av.open(str(disguised)) as opened:
        assert opened.format.name == "concat"  # the danger is real
    with pytest.raises(BadVideo, match="not a video"):
        probe(disguised)


@pytest.mark.parametrize(
    ("where", "limit", "value", "reason"),
    [
        (container, "MAX_PICTURE_PIXELS", WIDTH * HEIGHT - 1, "too large"),
        (container, "MAX_SIDE", WIDTH - 1, "too large"),
        (reader, "MAX_SECONDS", 1.9, "too long"),
        (reader, "MAX_WORK_SECONDS", -1.0, "too long"),
    ],
)
def test_budgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, limit: str, value: float, reason: str
) -> None:
    path = film(tmp_path / "a.mkv", 60)
    monkeypatch.setattr(where, limit, value)
    with pytest.raises(BadVideo) as caught:
        decode(path, Sampling(4, 1000))
    assert caught.value.reason == reason


@given(seconds=st.floats(1e-3, 1e6), frames=st.integers(1, 200))
def test_frame_times_are_centres_of_equal_shares(seconds: float, frames: int) -> None:
    times = frame_times(seconds, frames)
    share = seconds / frames
    assert len(times) == frames
    assert 0 < times[0] <= times[-1] < seconds
    assert times == pytest.approx([(i + 0.5) * share for i in range(frames)])


def test_a_sampling_of_nothing() -> None:
    for wrong in ({"frames": 0}, {"max_pixels": 0}, {"fps": 0.0}, {"fps": math.nan}):
        with pytest.raises(ValueError, match="not positive"):
            Sampling(**{"frames": 1, "max_pixels": 1, **wrong})


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (math.inf, 1), (1.0, 0)])
def test_frame_times_of_nothing(seconds: float, frames: int) -> None:
    with pytest.raises(ValueError, match="cannot choose"):
        frame_times(seconds, frames)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("originals")
    return [film(folder / name, 6, *KINDS[name]) for name in ("h264-b-frames.mp4", "h264-all-key.mkv", "mpeg4.avi")]


@given(data=st.data())
@settings(max_examples=60)
def test_any_bytes_give_a_clip_or_bad_video(originals: list[Path], data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(originals)).read_bytes())
    places = st.lists(st.integers(0, len(whole) - 1), max_size=8)
    if data.draw(st.booleans()):
        for place in data.draw(places):
            whole[place] ^= data.draw(st.integers(1, 255))
        content = bytes(whole[: data.draw(st.integers(1, len(whole)))])
    else:
        content = bytes(whole[: data.draw(st.sampled_from([0, 4, 12]))]) + data.draw(st.binary(max_size=200))
    path = originals[0].with_name("any")
    path.write_bytes(content)
    try:
        clip = decode(path, Sampling(3, 1000))
    except BadVideo:
        return
    assert len(clip.frames) == len(clip.times) == 3


def test_only_the_labels_interval_is_looked_at_and_no_more_often_than_asked_for(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 90)
    assert numbers_in(decode(path, Sampling(4, 10**6, span=(1.0, 2.0)))) == [33, 41, 48, 56]
    assert numbers_in(decode(path, Sampling(4, 10**6, span=(2.8, 99.0)))) == [84, 86, 87, 89]
    assert numbers_in(decode(path, Sampling(8, 10**6, fps=1.0))) == [15, 45, 75]
    assert numbers_in(decode(path, Sampling(8, 10**6, fps=0.1))) == [22, 67]  # two at least
    assert numbers_in(decode(path, Sampling(2, 10**6, fps=9.0))) == [22, 67]
    with pytest.raises(BadVideo, match="not in the video"):
        decode(path, Sampling(4, 10**6, span=(3.5, 4.0)))


@given(
    seconds=st.floats(0.01, 1e5),
    frames=st.integers(1, 64),
    fps=st.none() | st.floats(0.01, 60),
    span=st.none() | st.tuples(st.floats(-10, 1e5), st.floats(-10, 1e5)),
)
def test_times_lie_within_what_is_looked_at(
    seconds: float, frames: int, fps: float | None, span: tuple[float, float] | None
) -> None:
    sampling = Sampling(frames, 4096, fps, span)
    start, end = (0.0, seconds) if span is None else (max(0.0, span[0]), min(seconds, span[1]))
    if start >= end:
        with pytest.raises(BadVideo):
            sampling.times(seconds)
        return
    times = sampling.times(seconds)
    assert 1 <= len(times) <= frames
    assert list(times) == sorted(times)
    assert start <= times[0]
    assert times[-1] <= end
    if fps is not None:
        assert len(times) <= max(2, round((end - start) * fps))
