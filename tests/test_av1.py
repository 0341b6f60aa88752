"""Pictures of AV1 films that no other refers to are left out, as the decoder does when it is told in time."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostar.video.codecs.av1 import ReferenceFilter

FILM = Path(__file__).parent / "data" / "films" / "av1.mp4"


def remuxed(name: str, folder: Path) -> Path:
    """The film in another container, of which some have other units around each picture."""
    with av.open(str(FILM)) as source, av.open(str(folder / name), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return folder / name


def pictures(path: Path, *, by_decoder: bool) -> dict[float, np.ndarray]:
    """Seconds and pictures that others refer to; left out by dav1d, told before it begins, or by `ReferenceFilter`."""
    found = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONREF" if by_decoder else "DEFAULT"
        referred = ReferenceFilter(stream.codec_context.extradata)
        for packet in container.demux(stream):
            part = bytes(packet) if by_decoder else referred.needed_part(bytes(packet))
            if not part and packet.size:
                continue
            made = av.Packet(part) if packet.size else packet
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            for picture in stream.codec_context.decode(made):
                found[round(picture.time, 3)] = picture.to_ndarray()
    return found


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.obu"])
def test_what_is_left_is_what_the_decoder_leaves(name: str, tmp_path: Path) -> None:
    path = remuxed(name, tmp_path)
    ours, theirs = pictures(path, by_decoder=False), pictures(path, by_decoder=True)
    assert ours.keys() == theirs.keys()
    assert 0 < len(ours) < 30  # of 40
    assert all(np.array_equal(ours[at], theirs[at]) for at in ours)


@given(st.binary(max_size=80))
def test_anything_is_left_or_less(data: bytes) -> None:
    referred = ReferenceFilter(b"")
    for packet in (b"\x0a" + data, data):
        assert len(referred.needed_part(packet)) <= len(packet)
