"""Facts about families of models that their processors do not give.

A family is a `model_type` of transformers. Any other model is used with its processor's own chat template, or
refused with the reason. `tests/test_families.py` checks each family on a small model made on the spot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from jinja2 import TemplateError

from videostar.util.errors import UserError

# The paper's model was trained with it: the role names of Vicuna, one space between turns, an end after each answer.
_VIDEO_LLAVA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ {'user': 'USER: ', 'assistant': 'ASSISTANT: ', 'system': ''}[message.role] }}"
    "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}{{ '<' + part.type + '>\n' }}{% endif %}{% endfor %}"
    "{{ eos_token if message.role == 'assistant' else ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

_VIDEO = 2  # in transformers' `mm_token_type_ids`


def _text_after_video(model: Any) -> None:
    """Have transformers number the text after a video as Qwen2.5-VL was trained with, and as vLLM does.

    A video's tokens are numbered along its seconds, height and width, and the text goes on after the greatest of these.
    transformers 5.19 goes on after height and width alone, so that the text falls between the frames of all but the
    shortest videos. Where it does better already nothing changes.
    """
    known = model.model.get_rope_index

    def get_rope_index(input_ids: Any, **inputs: Any) -> tuple[Any, Any]:
        positions, deltas = known(input_ids, **inputs)
        for row, types in enumerate(inputs["mm_token_type_ids"]):
            shown = types == _VIDEO
            for end in (shown[:-1] & ~shown[1:]).nonzero().flatten().tolist():
                highest, start = positions[:, row].max(), end + 1
                positions[:, row, start:] += positions[:, row, :start].max() + 1 - positions[0, row, start]
                deltas[row] += positions[:, row].max() - highest
        return positions, deltas

    model.model.get_rope_index = get_rope_index


@dataclass(frozen=True)
class Family:
    """Facts about one family."""

    language: str = "language_model"  # the modules of each part that LoRA can adapt, as a pattern for their names
    projector: str = "multi_modal_projector"  # may be a part of the vision tower
    vision: str = "vision_tower"
    template: str | None = None  # the chat template, where the processor brings none
    fix: Callable[[Any], None] | None = None  # corrects a fault of transformers in the loaded model
    fills: str = "video_token"  # which of the processor's tokens stands where a clip's features go
    vllm: bool = False  # tests show that vLLM answers about videos as transformers does
    lora: bool = True  # vLLM supports LoRA for it; otherwise the LoRA is merged into the weights
    pictures: bool = False  # tests show that training takes pictures beside clips in a batch
    drops: bool = False  # tests show that training can drop visual tokens before the language model
    features: bool = False  # tests show that training can give it the features of clips, which its `model.visual` makes
    one_length: bool = False  # the clips of a batch must all have the same number of frames
    on_device: bool = False  # vLLM normalises videos on its device, and so keeps them as bytes


_QWEN3 = Family(
    projector="merger|deepstack_merger_list",
    vision="visual",
    vllm=True,
    pictures=True,
    drops=True,
    features=True,
    on_device=True,
)

#: By `model_type`.
FAMILIES = {
    "qwen3_vl": _QWEN3,
    "qwen3_vl_moe": _QWEN3,
    "qwen2_5_vl": replace(_QWEN3, projector="merger", fix=_text_after_video),
    "llava_onevision": Family(vllm=True, lora=False, pictures=True, one_length=True),  # vLLM 0.32
    "internvl": Family(fills="image_token", vllm=True, pictures=True, drops=True, one_length=True),
    # vLLM 0.32 has images alone
    "smolvlm": Family(language="text_model", projector="connector", vision="vision_model", one_length=True),
    # vLLM 0.32 does not have it
    "video_llava": Family(
        vision="video_tower|image_tower", template=_VIDEO_LLAVA_TEMPLATE, pictures=True, one_length=True
    ),
}
_ANY = Family(
    language="language_model|text_model",
    projector="merger|deepstack_merger_list|multi_modal_projector|connector",
    vision="visual|vision_tower|vision_model|video_tower|image_tower",
)


def family(config: Any) -> Family:
    """The facts about the model with this configuration."""
    return FAMILIES.get(config.model_type, _ANY)


def as_processed(tokens: Sequence[int], processor: Any, config: Any) -> list[int]:
    """A prompt's tokens from vLLM, as the processor writes them: vLLM fills a clip's place with `video_token`."""
    asks, fills = processor.tokenizer.convert_tokens_to_ids(
        [processor.video_token, getattr(processor, family(config).fills)]
    )
    return [fills if token == asks else token for token in tokens]


def part_of(config: Any, path: str) -> Literal["language", "projector", "vision"] | None:
    """The part of the model that a module or parameter at that path belongs to; None for others, such as `lm_head`."""
    facts = family(config)
    if _below(facts.projector, path):  # first: it may be a part of the vision tower
        return "projector"
    return "vision" if _below(facts.vision, path) else "language" if _below(facts.language, path) else None


def _below(modules: str, path: str) -> bool:
    return re.search(rf"(^|\.)({modules})\.", path) is not None


def complete(processor: Any, config: Any, name: str) -> Any:
    """The processor of model `name`, with its family's chat template if it has none. Raises UserError."""
    if getattr(processor, "video_processor", None) is None or not hasattr(processor, "tokenizer"):
        raise _refused(name, config, "its processor takes no videos")
    if getattr(processor, "chat_template", None) is None:
        processor.chat_template = family(config).template
    if processor.chat_template is None:
        raise _refused(name, config, "its processor has no chat template")
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "?"}]}]
    try:
        shown = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except (TypeError, TemplateError) as error:  # made for text alone
        raise _refused(name, config, f"its chat template takes no lists of video and text ({error})") from None
    if getattr(processor, "video_token", "") not in shown:
        raise _refused(name, config, "its chat template leaves videos out")
    return processor


def _refused(name: str, config: Any, why: str) -> UserError:
    return UserError(
        f"model {name!r} ({config.model_type}): {why}; give one whose processor has a chat template with videos, "
        f"such as one of {', '.join(FAMILIES)}"
    )
