"""What is particular to a family of models and its processor does not tell, in one place.

A family is a `model_type` of transformers. Every other model is served by its processor's own chat template, or
refused with the reason. `tests/test_families.py` checks each family on a small model made on the spot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from videostar.errors import UserError

# As the paper's model was trained: the role names of Vicuna, one space between turns, an end after each answer.
_VIDEO_LLAVA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ 'USER: ' if message.role == 'user' else 'ASSISTANT: ' }}"
    "{% for part in message.content %}{% if part.type == 'video' %}{{ '<video>\n' }}{% else %}{{ part.text }}"
    "{% endif %}{% endfor %}{{ ' ' if message.role == 'user' else eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """What code must know of a family."""

    language: str = "language_model"  # the module of the language model, for the paths of LoRA's targets
    template: str | None = None  # the chat template, where the processor brings none
    vllm: bool = False  # vLLM was seen to answer about videos as transformers does, and to serve adapters


#: By `model_type`.
FAMILIES = {
    "qwen3_vl": Family(vllm=True),
    # vLLM 0.32 on the small model, float32: the same prompt tokens, but log-probabilities 1.6 apart, with the adapter
    # loaded and with it merged. Why is not known.
    "qwen2_5_vl": Family(),
    "llava_onevision": Family(),  # not measured; vLLM 0.32 has videos for it and no adapters
    "internvl": Family(),  # not measured; vLLM 0.32 has both, and writes another placeholder than the processor
    "smolvlm": Family(language="text_model"),  # vLLM 0.32 has images alone
    "video_llava": Family(template=_VIDEO_LLAVA_TEMPLATE),  # vLLM 0.32 does not have it
}
_ANY = Family(language="language_model|text_model")


def family(config: Any) -> Family:
    """The facts about the model with this configuration."""
    return FAMILIES.get(config.model_type, _ANY)


def language_layer(config: Any, path: str) -> bool:
    """Whether the module at that path belongs to the language model: names such as `gate_proj` do not tell."""
    return re.search(rf"(^|\.)({family(config).language})\.", path) is not None


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
