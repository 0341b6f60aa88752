"""The other libraries of `benchmarks/decode.py`: each returns a file's frames by number, scaled to (width, height).

0 threads is the library's default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from decode_files import FPS


def pyav(path: Path, numbers: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Decode from the start; convert and scale the frames."""
    import av

    images: dict[int, np.ndarray] = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if threads:
            stream.thread_type, stream.thread_count = "AUTO", threads
        for number, frame in enumerate(container.decode(stream)):
            if number in numbers:
                images[number] = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
            if number == numbers[-1]:
                break
    return np.stack([images[number] for number in numbers])


def torchcodec(path: Path, numbers: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Seek exactly; scale in ffmpeg."""
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    resize = Resize((size[1], size[0]))
    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads or 1, transforms=[resize])
    frames: np.ndarray = decoder.get_frames_played_at([(number + 0.5) / FPS for number in numbers]).data.numpy()
    return frames


def decord(path: Path, numbers: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Seek; scale in ffmpeg."""
    from decord import DECORDError, VideoReader

    reader = VideoReader(str(path), width=size[0], height=size[1], num_threads=threads)
    try:
        frames: np.ndarray = reader.get_batch(list(numbers)).asnumpy()
    except DECORDError as error:
        raise RuntimeError(str(error).splitlines()[-1]) from None
    return frames


def opencv(path: Path, numbers: Sequence[int], size: tuple[int, int], threads: int) -> np.ndarray:
    """Decode from the start; convert and scale the frames."""
    import cv2

    images = []
    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
    for number in range(numbers[-1] + 1):
        if not video.grab():
            raise RuntimeError(f"ends at frame {number}")
        if number in numbers:
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
