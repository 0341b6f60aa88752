"""Clips that a model's processor refuses: too narrow, too short, or whatever else it does not take."""

from __future__ import annotations

from videostar.config import ModelSpec, Video
from videostar.models.chat import Chat, Turn
from videostar.models.load import first_line, load_processor
from videostar.models.sizes import largest_prompt
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo


class Refusals:
    """Finds the clips that a model's processor refuses. That depends on a clip's shape, so each shape is tried once."""

    def __init__(self, spec: ModelSpec, video: Video) -> None:
        self._spec, self._video = spec, video
        self._chat = Chat(load_processor(spec))
        self._known: dict[tuple[int, ...], BadVideo | None] = {}

    def refusal(self, clip: Clip) -> BadVideo | None:
        """Why the processor refuses `clip`, in its own words; None if it takes it.

        Raises UserError if it refuses a plain clip too: then the fault is not the clip's.
        """
        shape = clip.frames.shape
        if shape not in self._known:
            self._known[shape] = self._try(clip)
        return self._known[shape]

    def _try(self, clip: Clip) -> BadVideo | None:
        try:
            self._chat.prompts([Turn("", clip)])
        except Exception as error:  # noqa: BLE001  (processors raise errors of any type)
            largest_prompt(self._spec, self._video)
            return BadVideo("refused by the model", first_line(error))
        return None
