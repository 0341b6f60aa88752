"""A set of label names: which patterns belong to each name, and where an answer mentions any of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from functools import cached_property, lru_cache

from videostar.labels import lexicon
from videostar.labels.answer import both_ends
from videostar.labels.names import patterns, spellings, squash
from videostar.labels.patterns import Mention, Pattern

_MAX_MENTIONS = 100  # of one label: of more, the first and the last are used


class LabelSet:
    """The names of a set with their patterns, and an index from the words of an answer to the patterns."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self.keys = [squash(name) for name in self.names]
        # A shorter spelling that two labels share ("switch leap" with two qualifiers) stands for neither of them.
        owners: dict[str, set[str]] = defaultdict(set)
        for name, key in zip(self.names, self.keys, strict=True):
            for spelling in spellings(name):
                owners[squash(spelling)].add(key)
        self._owners = owners
        self.patterns = [self.own_patterns(name) for name in self.names]

    def own_patterns(self, name: str) -> list[Pattern]:
        """The patterns of `name` that are not also patterns of another name of the set."""
        key = squash(name)
        own = [
            pattern
            for spelling in spellings(name)
            if squash(spelling) == key or self._owners.get(squash(spelling), {key}) <= {key}
            for pattern in patterns(spelling)
        ]
        return list(dict.fromkeys(own))

    @cached_property
    def _index(self) -> dict[str, list[tuple[int, Pattern]]]:
        """From a word to the patterns that need it. Each pattern is listed under its rarest element."""
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
        """All words that are in the index or start a pattern."""
        return frozenset(self._index) | {form for own in self.patterns for p in own for form in p.elements[0].forms}

    def find(self, words: Sequence[str], exclude: Container[str] = ()) -> dict[str, list[Mention]]:
        """The mentions in `words` of each name of the set, except the names whose key is in `exclude`."""
        index, vocabulary, mentions = self._index, self._vocabulary, defaultdict[str, list[Mention]](list)
        at: dict[str, list[int]] = {}
        for i, word in enumerate(words):
            if word in vocabulary:
                at.setdefault(word, []).append(i)
        for word in at:
            for k, pattern in index.get(word, ()):
                if self.keys[k] in exclude:
                    continue
                for form in pattern.elements[0].forms:
                    for i in at.get(form, ()):
                        mention = pattern.match_at(words, i)
                        if mention:
                            mentions[self.names[k]].append(mention)
        return {name: both_ends(own, _MAX_MENTIONS) for name, own in mentions.items()}


@lru_cache(maxsize=64)
def label_set(names: tuple[str, ...]) -> LabelSet:
    """The set of these names, from a cache."""
    return LabelSet(names)


def index_by_first_form(own: Sequence[Pattern]) -> dict[str, list[Pattern]]:
    """From a word to the patterns that start with it, the longest first."""
    starts: dict[str, list[Pattern]] = {}
    for pattern in sorted(dict.fromkeys(own), key=lambda p: -p.size):
        for form in pattern.elements[0].forms:
            starts.setdefault(form, []).append(pattern)
    return starts


def find_mentions(starts: Mapping[str, Sequence[Pattern]], words: Sequence[str]) -> list[Mention]:
    """The mentions of a label with the patterns `starts`, in order; of several at one place the longest."""
    longest = [
        next(filter(None, (pattern.match_at(words, i) for pattern in starts[word])), None)
        for i, word in enumerate(words)
        if word in starts
    ]
    mentions = sorted(filter(None, longest), key=lambda m: m.start)
    mentions = [m for k, m in enumerate(mentions) if not k or not m.within(mentions[k - 1])]
    return both_ends(mentions, _MAX_MENTIONS)
