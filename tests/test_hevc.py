"""Only HEVC films whose rows are coded by themselves are decoded twice: in others both ways are the same one."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from films import film
from hypothesis import given
from hypothesis import strategies as st

from videostar.video.codecs.hevc import may_use_wavefronts
from videostar.video.container import open_file
from videostar.video.reader import open_reader

CODED = ["aq-mode=1", "cu-lossless=1", "tskip=1:constrained-intra=1", "cbqpoffs=5:crqpoffs=-3", "weightb=1", "ref=5"]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("wavefronts", [True, False])
@pytest.mark.parametrize("coded", CODED)
def test_rows_by_themselves_are_told(ending: str, wavefronts: bool, coded: str, tmp_path: Path) -> None:
    options = {"x265-params": f"log-level=none:pools=1:wpp={int(wavefronts)}:{coded}", "preset": "ultrafast"}
    path = film(tmp_path / f"film.{ending}", range(6), codec="libx265", options=options, size=(128, 128))
    with open_file(path) as file, open_reader(file) as opened:
        assert opened.hides_damage == wavefronts


def test_what_is_cut_off_may_have_them(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none:pools=1:wpp=0", "preset": "ultrafast"}
    path = film(tmp_path / "film.mp4", range(6), codec="libx265", options=options, size=(128, 128))
    with av.open(str(path)) as opened:
        whole = opened.streams.video[0].codec_context.extradata
    assert not may_use_wavefronts(whole)
    assert all(may_use_wavefronts(whole[:end]) for end in range(60))  # before its picture parameters


@given(st.binary(max_size=200), st.sampled_from([b"", b"\1", b"\0\0\1\x44\1"]))
def test_no_bytes_raise(rest: bytes, begins: bytes) -> None:
    assert isinstance(may_use_wavefronts(begins + rest), bool)


@pytest.mark.parametrize("data", [None, b"", b"\1" + bytes(10), b"\0\0\1\x44"])
def test_without_parameters_they_may_be(data: bytes | None) -> None:
    assert may_use_wavefronts(data)
