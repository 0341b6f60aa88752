"""A small model of each family, with random weights and a tokenizer made on the spot, as it would lie on disk."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

SIDE = 56  # pixels of a frame, for the families with a fixed size
TEXT = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 14,
}
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'video' %}VIDEO{% elif part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chatml(video: str, image: str) -> str:
    """A chat template with these placeholders."""
    return CHATML.replace("VIDEO", video).replace("IMAGE", image)


def make(family: str, folder: Path) -> Path:
    """The family's small model and processor, saved in the folder."""
    torch.manual_seed(0)
    processor, model = MAKERS[family]()
    _enliven(model)
    # No answer ends early or holds a placeholder: what says nothing is never the likeliest.
    special = [number for number, token in processor.tokenizer.added_tokens_decoder.items() if token.special]
    model.lm_head.weight.data[special] = 0
    ids = {"pad_token_id": processor.tokenizer.pad_token_id, "eos_token_id": processor.tokenizer.eos_token_id}
    model.generation_config.update(**ids, bos_token_id=None)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if family == "llava_onevision":
        _name_as_published(folder / "model.safetensors")
    elif family == "qwen3_vl_moe":
        _transpose_experts(folder / "model.safetensors")
    return folder


def _name_as_published(file: Path) -> None:
    """As in the checkpoints that there are, whose names transformers keeps when it saves them again."""
    weights = load_file(file)
    names = {name: name.replace("vision_tower.", "vision_tower.vision_model.") for name in weights}
    save_file({names[name]: weights[name] for name in weights}, file, {"format": "pt"})


def _transpose_experts(file: Path) -> None:
    """As in the checkpoints that there are: [experts, in, out]."""
    weights = load_file(file)
    turned = {name: weights[name].mT.contiguous() for name in weights if ".experts." in name}
    save_file({**weights, **turned}, file, {"format": "pt"})


def _enliven(model: Any) -> None:
    """Larger weights than models start with, so that answers are no ties and turn on what is seen."""
    for name, weights in model.named_parameters():
        if name.startswith("lm_head"):
            torch.nn.init.normal_(weights, std=0.5)
        elif "embed" in name or "newline" in name or "token" in name:
            torch.nn.init.normal_(weights, std=1.0)
        elif weights.ndim > 1:
            torch.nn.init.normal_(weights, std=1.5 / weights[0].numel() ** 0.5)
        elif name.endswith("bias"):
            torch.nn.init.normal_(weights, std=0.1)


def byte_level(special: list[str], end: str, size: int = 0, **named: str) -> Any:
    """Letters and signs as they are, one token each, so that no two answers read the same.

    Tokens that no text has fill the vocabulary up to `size`.
    """
    letters = [*string.ascii_letters, *string.digits, *string.punctuation, "Ġ", "Ċ"]
    kinds = len({*special, end, "<|endoftext|>"})
    letters += [f"<{number}>" for number in range(size - len(letters) - kinds)]
    bpe = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(special)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=end, pad_token="<|endoftext|>", extra_special_tokens=named
    )


def _sentence_piece() -> Any:
    """As Llama's: a text begins with a space of its own."""
    pieces = ["<unk>", "<s>", "</s>", "▁", *string.ascii_letters, *string.digits, *string.punctuation, "\n"]
    merged = [f"▁{letter}" for letter in string.ascii_letters]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, *merged])}
    bpe = Tokenizer(models.BPE(vocabulary, [("▁", letter) for letter in string.ascii_letters], unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bpe.add_special_tokens(["<image>", "<video>"])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )


def _text(processor: Any, **more: Any) -> dict[str, Any]:
    return {**TEXT, "vocab_size": len(processor.tokenizer), **more}


def _token_ids(processor: Any, **names: str) -> dict[str, int]:
    return {key: processor.tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


QWEN_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
QWEN_SPECIAL = ["<|im_start|>", *QWEN_IDS.values()]
QWEN_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 12, 12]}
QWEN_SIZE = {"shortest_edge": 32 * 32, "longest_edge": 8 * 64 * 64}


QWEN3_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [12, 10, 10], "mrope_interleaved": True}
QWEN3_VISION = {
    "depth": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_heads": 2,
    "patch_size": 16,
    "out_hidden_size": 128,
    "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0],
}


def _qwen3_vl_processor() -> Any:
    return hf.Qwen3VLProcessor(
        hf.Qwen2VLImageProcessor(patch_size=16, size=QWEN_SIZE),
        byte_level(QWEN_SPECIAL, "<|im_end|>"),
        hf.Qwen3VLVideoProcessor(size=QWEN_SIZE, cap_pixels_per_frame=False),
        chat_template=chatml(QWEN_VIDEO, QWEN_IMAGE),
    )


def _qwen3_vl() -> tuple[Any, Any]:
    processor = _qwen3_vl_processor()
    config = hf.Qwen3VLConfig(
        text_config=_text(processor, head_dim=64, rope_parameters=QWEN3_ROPE),
        vision_config=QWEN3_VISION,
        **_token_ids(processor, **QWEN_IDS),
    )
    return processor, hf.Qwen3VLForConditionalGeneration(config)


def _qwen3_vl_moe() -> tuple[Any, Any]:
    processor = _qwen3_vl_processor()
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96, "norm_topk_prob": True}
    config = hf.Qwen3VLMoeConfig(
        text_config=_text(processor, head_dim=64, rope_parameters=QWEN3_ROPE, **experts),
        vision_config=QWEN3_VISION,
        tie_word_embeddings=False,
        **_token_ids(processor, **QWEN_IDS),
    )
    return processor, hf.Qwen3VLMoeForConditionalGeneration(config)


def _qwen2_5_vl() -> tuple[Any, Any]:
    processor = hf.Qwen2_5_VLProcessor(
        hf.Qwen2VLImageProcessor(patch_size=14, size=QWEN_SIZE),
        byte_level(QWEN_SPECIAL, "<|im_end|>"),
        hf.Qwen2VLVideoProcessor(patch_size=14, size=QWEN_SIZE),
        chat_template=chatml(QWEN_VIDEO, QWEN_IMAGE),
    )
    config = hf.Qwen2_5_VLConfig(
        text_config=_text(processor, rope_parameters=QWEN_ROPE),
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 128,
            "fullatt_block_indexes": [1],
        },
        **_token_ids(processor, **QWEN_IDS),
    )
    return processor, hf.Qwen2_5_VLForConditionalGeneration(config)


def _qwen2_vl() -> tuple[Any, Any]:
    processor = hf.Qwen2VLProcessor(
        hf.Qwen2VLImageProcessor(patch_size=14, size=QWEN_SIZE),
        byte_level(QWEN_SPECIAL, "<|im_end|>"),
        hf.Qwen2VLVideoProcessor(patch_size=14, size=QWEN_SIZE),
        chat_template=chatml(QWEN_VIDEO, QWEN_IMAGE),
    )
    config = hf.Qwen2VLConfig(
        text_config=_text(processor, rope_parameters=QWEN_ROPE),
        vision_config={"depth": 2, "embed_dim": 64, "hidden_size": 128, "num_heads": 2},
        **_token_ids(processor, **QWEN_IDS),
    )
    return processor, hf.Qwen2VLForConditionalGeneration(config)


def _llava_onevision() -> tuple[Any, Any]:
    size = {"height": SIDE, "width": SIDE}
    grid = [[SIDE, SIDE], [SIDE, 2 * SIDE]]
    processor = hf.LlavaOnevisionProcessor(
        hf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=grid),
        byte_level(["<|im_start|>", "<image>", "<video>"], "<|im_end|>"),
        hf.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=chatml("<video>\n", "<image>\n"),
    )
    config = hf.LlavaOnevisionConfig(
        text_config=_text(processor, model_type="qwen2"),
        vision_config={**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
        image_grid_pinpoints=grid,
        **_token_ids(processor, image_token_index="<image>", video_token_index="<video>"),
    )
    return processor, hf.LlavaOnevisionForConditionalGeneration(config)


def _internvl() -> tuple[Any, Any]:
    size = {"height": SIDE, "width": SIDE}
    marks = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    processor = hf.InternVLProcessor(
        hf.GotOcr2ImageProcessor(size=size),
        byte_level(["<|im_start|>"], "<|im_end|>", **marks),
        hf.InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=chatml("<video>\n", "<IMG_CONTEXT>\n"),
    )
    config = hf.InternVLConfig(
        text_config=_text(processor, model_type="qwen2"),
        vision_config=VISION,
        image_seq_length=4,
        tie_word_embeddings=False,
        **_token_ids(processor, image_token_id="<IMG_CONTEXT>"),
    )
    return processor, hf.InternVLForConditionalGeneration(config)


def _smolvlm() -> tuple[Any, Any]:
    special = ["<|im_start|>", "<fake_token_around_image>", "<image>", "<global-img>", "<video>"]
    processor = hf.SmolVLMProcessor(
        hf.SmolVLMImageProcessor(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}),
        byte_level(special, "<end_of_utterance>"),
        hf.SmolVLMVideoProcessor(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}),
        image_seq_len=4,
        chat_template=hf.models.smolvlm.processing_smolvlm.DEFAULT_CHAT_TEMPLATE,
    )
    config = hf.SmolVLMConfig(
        text_config=_text(processor, model_type="llama"),
        vision_config=VISION,
        scale_factor=2,
        pad_token_id=processor.tokenizer.pad_token_id,
        **_token_ids(processor, image_token_id="<image>"),
    )
    return processor, hf.SmolVLMForConditionalGeneration(config)


def _video_llava() -> tuple[Any, Any]:
    crop = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    processor = hf.VideoLlavaProcessor(
        image_processor=hf.VideoLlavaImageProcessor(**crop),
        video_processor=hf.VideoLlavaVideoProcessor(**crop),
        tokenizer=_sentence_piece(),
    )
    config = hf.VideoLlavaConfig(
        text_config=_text(processor, model_type="llama"),
        vision_config={**VISION, "model_type": "clip_vision_model"},
        image_seq_length=16,
        video_seq_length=17,
        **_token_ids(processor, image_token_index="<image>", video_token_index="<video>"),
    )
    return processor, hf.VideoLlavaForConditionalGeneration(config)


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": _qwen3_vl_moe,
    "qwen2_5_vl": _qwen2_5_vl,
    "llava_onevision": _llava_onevision,
    "internvl": _internvl,
    "smolvlm": _smolvlm,
    "video_llava": _video_llava,
    "qwen2_vl": _qwen2_vl,  # of no family
}
