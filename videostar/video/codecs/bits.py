"""Reads bits of codec headers."""

from __future__ import annotations


class BitReader:
    """Reads the bits of `data`, the most significant first. Its methods raise IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1

    def read_exp_golomb(self) -> int:
        """The next number in Exp-Golomb code, ue(v) of H.264 and HEVC. Also skips a number of type se(v)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)
