"""Samples in a file: as objects, a million of them would take several hundred megabytes of memory."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from videostar.data.measure_videos import MeasuredVideo
from videostar.data.samples import Sample
from videostar.util.errors import UserError

Indices: TypeAlias = NDArray[np.uint32]  # of samples, or of questions, in a sequence of them

_TOGETHER = 512  # samples that are read at once
_encode = json.JSONEncoder(separators=(",", ":")).encode  # in ASCII
_decode = json.JSONDecoder().raw_decode


class _Lines:
    """The lines of a file, and where each begins.

    They are read, not mapped into memory: a disk that fails then raises OSError, and does not end the process.
    """

    def __init__(self, file: int, starts: NDArray[np.uint64]) -> None:
        """`file`: its descriptor, which is closed with this object. `starts`: of each line, and the end of the last."""
        self._file, self._starts = file, starts
        weakref.finalize(self, os.close, file)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def read(self, first: int, stop: int) -> str:
        """The lines from `first` up to `stop`."""
        start = int(self._starts[first])
        return os.pread(self._file, int(self._starts[stop]) - start, start).decode("ascii")


class SampleFile(Sequence[Sample]):
    """Samples in a file, a line of JSON each. A sample is made anew whenever it is looked at."""

    def __init__(self, lines: _Lines, indices: Indices | None = None) -> None:
        """`indices`: of these samples among the lines; None: all."""
        self._lines, self._indices = lines, indices

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> SampleFile:
        """The samples in a file of their own."""
        writer = SampleWriter()
        for sample in samples:
            writer.add(sample)
        return writer.samples()

    @classmethod
    def open(cls, path: Path) -> Self:
        """The samples that `save` wrote."""
        starts = np.load(_starts_file(path), mmap_mode="r", allow_pickle=False)
        return cls(_Lines(os.open(path, os.O_RDONLY), starts))

    def save(self, path: Path) -> list[Path]:
        """Write the samples to the file at `path`, and where their lines begin beside it. Returns both."""
        starts = array("Q", [0])
        with path.open("wb") as file:
            for lines in self._read():
                file.writelines(line.encode("ascii") + b"\n" for line in lines)
                for line in lines:
                    starts.append(starts[-1] + len(line) + 1)
        np.save(_starts_file(path), np.frombuffer(starts, np.uint64))
        return [path, _starts_file(path)]

    def select(self, indices: Indices) -> Self:
        """The samples at these indices."""
        return type(self)(self._lines, indices if self._indices is None else self._indices[indices])

    def without(self, indices: Sequence[int]) -> Self:
        """The samples without those at these indices."""
        kept = np.ones(len(self), bool)
        kept[list(indices)] = False
        return self.select(np.flatnonzero(kept).astype(np.uint32)) if indices else self

    def __len__(self) -> int:
        return len(self._lines) if self._indices is None else len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Sample | Self:
        if isinstance(index, slice):
            return self.select(np.arange(len(self), dtype=np.uint32)[index])
        index = range(len(self))[index]  # raises IndexError
        line = index if self._indices is None else int(self._indices[index])
        return _sample(self._lines.read(line, line + 1))

    def __iter__(self) -> Iterator[Sample]:
        for lines in self._read():
            yield from map(_sample, lines)

    def _read(self) -> Iterator[list[str]]:
        """The lines of the samples, some at once."""
        for start in range(0, len(self), _TOGETHER):
            stop = min(start + _TOGETHER, len(self))
            first = start if self._indices is None else int(self._indices[start])
            adjacent = range(first, first + stop - start)
            if self._indices is None or np.array_equal(self._indices[start:stop], adjacent):
                yield self._lines.read(adjacent.start, adjacent.stop).splitlines()
            else:
                lines = self._indices[start:stop].tolist()
                yield [self._lines.read(line, line + 1).rstrip("\n") for line in lines]


class SampleWriter:
    """Writes samples to a file without a name, which ends with the process."""

    def __init__(self) -> None:
        """Raises UserError if there is no folder for temporary files."""
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (`samples` closes it)
        except OSError as error:
            raise _no_room(error) from None
        self._starts = array("Q", [0])

    def add(self, sample: Sample) -> None:
        """Write one more. Raises UserError if the disk is full."""
        line = _line(sample)
        try:
            self._file.write(line)
        except OSError as error:
            raise _no_room(error) from None
        self._starts.append(self._starts[-1] + len(line))

    def samples(self) -> SampleFile:
        """All that was added."""
        try:
            self._file.flush()
        except OSError as error:
            raise _no_room(error) from None
        with self._file as file:
            return SampleFile(_Lines(os.dup(file.fileno()), np.frombuffer(self._starts, np.uint64)))


def _starts_file(path: Path) -> Path:
    return path.with_suffix(".npy")


def _line(sample: Sample) -> bytes:
    fields = (
        *(sample.id, sample.video, sample.label, sample.split, sample.sha256, sample.seconds, dict(sample.values)),
        *(sample.row, sample.more),
    )
    return _encode(fields).encode("ascii") + b"\n"


def _sample(line: str) -> Sample:
    identity, video, label, split, sha256, seconds, values, row, more = _decode(line)[0]
    others = tuple(MeasuredVideo(*one) for one in more)
    return Sample(identity, video, label, split, sha256, seconds, values, row, others)


def _no_room(error: OSError) -> UserError:
    where = tempfile.tempdir or "the folder for temporary files"
    return UserError(f"{where}: the rows cannot be written there ({error.strerror}); set TMPDIR to another folder")
