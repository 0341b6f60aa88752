"""A label among the other labels of its set: which patterns are its own, and where any of them is said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

from videostar.labels import lexicon
from videostar.labels.names import patterns, spellings, squash
from videostar.labels.patterns import Mention, Pattern

_MENTIONS = 100  # so many mentions of one label are read, from both ends of an answer


class LabelSet:
    """Every name of a set with its patterns, found from the words of an answer by an index."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self.keys = [squash(name) for name in self.names]
        # A shorter spelling that two labels share ("switch leap" with two qualifiers) says neither of them.
        owners: dict[str, set[str]] = defaultdict(set)
        for name, key in zip(self.names, self.keys, strict=True):
            for spelling in spellings(name):
                owners[squash(spelling)].add(key)
        self._owners = owners
        self.patterns = [self.own_patterns(name) for name in self.names]

    def own_patterns(self, name: str) -> list[Pattern]:
        """The patterns that say `name` and no other label of the set."""
        key = squash(name)
        found = [
            pattern
            for spelling in spellings(name)
            if squash(spelling) == key or self._owners.get(squash(spelling), {key}) <= {key}
            for pattern in patterns(spelling)
        ]
        return list(dict.fromkeys(found))

    @cached_property
    def _index(self) -> dict[str, list[tuple[int, Pattern]]]:
        """From a word to the patterns that need it: each pattern under the rarest of its elements."""
        commonness = Counter(e.forms for own in self.patterns for p in own for e in p.elements)
        for forms in commonness:
            if not forms.isdisjoint(lexicon.GRAMMAR):
                commonness[forms] += len(self.names)
        index: dict[str, list[tuple[int, Pattern]]] = defaultdict(list)
        for k, own in enumerate(self.patterns):
            for pattern in own:
                rarest = min((e.forms for e in pattern.elements), key=commonness.__getitem__)
                for form in rarest:
                    index[form].append((k, pattern))
        return dict(index)

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """The words at which anything can begin to be found."""
        return frozenset(self._index) | {form for own in self.patterns for p in own for form in p.elements[0].forms}

    def find(self, words: Sequence[str], exclude: Container[str] = ()) -> dict[str, list[Mention]]:
        """Where each name of the set is said in `words`; names whose key is in `without` are left out."""
        index, found = self._index, defaultdict[str, list[Mention]](list)
        at = word_positions(words, self._vocabulary)
        for word in at:
            for k, pattern in index.get(word, ()):
                if self.keys[k] in exclude:
                    continue
                for form in pattern.elements[0].forms:
                    for i in at.get(form, ()):
                        mention = pattern.match_at(words, i)
                        if mention:
                            found[self.names[k]].append(mention)
        return {name: _both_ends(find_mentions) for name, find_mentions in found.items()}


@lru_cache(maxsize=64)
def label_set(names: tuple[str, ...]) -> LabelSet:
    """The compiled set of these names, made once."""
    return LabelSet(names)


def word_positions(words: Sequence[str], vocabulary: Container[str]) -> dict[str, list[int]]:
    """From each word of the vocabulary that stands in `words` to its indices."""
    at: dict[str, list[int]] = {}
    for i, word in [(i, word) for i, word in enumerate(words) if word in vocabulary]:
        at.setdefault(word, []).append(i)
    return at


def index_by_first_form(own: Sequence[Pattern]) -> dict[str, list[Pattern]]:
    """From each word to the patterns that start with it, the longest first."""
    starts: dict[str, list[Pattern]] = {}
    for pattern in sorted(dict.fromkeys(own), key=lambda p: -p.size):
        for form in pattern.elements[0].forms:
            starts.setdefault(form, []).append(pattern)
    return starts


def find_mentions(starts: Mapping[str, Sequence[Pattern]], words: Sequence[str]) -> list[Mention]:
    """Where a label is said, in order, each place once by its longest pattern; `starts` are its patterns by word."""
    found = [m for i in [i for i, word in enumerate(words) if word in starts] for m in _at(starts, words, i)]
    if len(found) > 1:
        found.sort(key=lambda m: m.start)
        found = [m for k, m in enumerate(found) if not k or not m.within(found[k - 1])]
    return _both_ends(found)


def _at(starts: Mapping[str, Sequence[Pattern]], words: Sequence[str], i: int) -> Iterator[Mention]:
    for pattern in starts[words[i]]:
        mention = pattern.match_at(words, i)
        if mention:
            yield mention
            return


def _both_ends(found: list[Mention]) -> list[Mention]:
    return found if len(found) <= _MENTIONS else found[: _MENTIONS // 2] + found[-_MENTIONS // 2 :]
