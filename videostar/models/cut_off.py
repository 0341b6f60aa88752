"""The mark of an answer that was cut off. Nothing here imports torch."""


class CutOff(str):
    """An answer that reached `max_new_tokens` before it ended."""

    __slots__ = ()
