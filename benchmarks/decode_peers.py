"""What `benchmarks/decode.py` compares with: the numbered pictures of a file, each scaled to (width, height).

0 threads: the library's own default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from decode_files import FPS


def pyav(path: Path, wanted: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Decodes all up to the last, converts and scales what is wanted."""
    import av

    images: dict[int, np.ndarray] = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if threads:
            stream.thread_type, stream.thread_count = "AUTO", threads
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                images[number] = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
            if number == wanted[-1]:
                break
    return np.stack([images[number] for number in wanted])


def torchcodec(path: Path, wanted: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Seeks exactly, scales in ffmpeg."""
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    resize = Resize((size[1], size[0]))
    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads or 1, transforms=[resize])
    found: np.ndarray = decoder.get_frames_played_at([(number + 0.5) / FPS for number in wanted]).data.numpy()
    return found


def decord(path: Path, wanted: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Seeks, scales in ffmpeg."""
    from decord import VideoReader

    reader = VideoReader(str(path), width=size[0], height=size[1], num_threads=threads)
    found: np.ndarray = reader.get_batch(list(wanted)).asnumpy()
    return found


def opencv(path: Path, wanted: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Decodes all up to the last, converts and scales what is wanted."""
    import cv2

    images = []
    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
    for number in range(wanted[-1] + 1):
        if not video.grab():
            raise RuntimeError(f"ends at picture {number}")
        if number in wanted:
            bgr = cv2.resize(video.retrieve()[1], size, interpolation=cv2.INTER_AREA)
            images.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    video.release()
    return np.stack(images)


PEERS: dict[str, Callable[[Path, Sequence[int], tuple[int, int], int], np.ndarray]] = {
    "PyAV": pyav,
    "torchcodec": torchcodec,
    "decord2": decord,
    "OpenCV": opencv,
}
