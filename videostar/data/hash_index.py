"""Which samples have a text, such as an id or a digest, in 12 bytes a text: there may be millions."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from videostar.data.sample_file import Indices

Hashes = NDArray[np.int64]  # ascending


class HashIndex:
    """The hashes of texts, with the places of the samples that have them.

    Two texts may have one hash, though hardly ever do: what is found must be compared.
    """

    def __init__(self) -> None:
        self._hashes, self._places = array("q"), array("I")

    def add(self, place: int, text: str) -> None:
        """Add a text of the sample at `place`. Places must not descend."""
        self._hashes.append(hash(text))
        self._places.append(place)

    @property
    def _all(self) -> Hashes:
        return np.frombuffer(self._hashes, np.int64)

    @property
    def count(self) -> int:
        """How many different texts there are."""
        return len(np.unique(self._all))

    def repeated(self) -> Hashes:
        """The hashes that occur more than once."""
        ordered = np.sort(self._all)
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])

    def differing(self, other: HashIndex) -> Hashes:
        """The hashes of texts beside which `other`, which was filled together with this index, has different ones."""
        order = np.argsort(self._all)
        ours, theirs = self._all[order], other._all[order]
        return np.unique(ours[1:][(ours[1:] == ours[:-1]) & (theirs[1:] != theirs[:-1])])

    def shared(self, other: HashIndex) -> Hashes:
        """The hashes that both have."""
        return np.intersect1d(self._all, other._all)

    def places(self, hashes: Hashes) -> Indices:
        """The places of the samples that have a text with one of these, ascending."""
        if not len(hashes):
            return np.array([], np.uint32)
        nearest = hashes[np.minimum(np.searchsorted(hashes, self._all), len(hashes) - 1)]
        return np.unique(np.frombuffer(self._places, np.uint32)[nearest == self._all])
