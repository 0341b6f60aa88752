"""Models of Qwen3-VL's shapes with random weights, and the arithmetic that training them takes.

A forward pass takes 2 operations for each weight and token, and the backward pass 2 more for the gradient of the
token's input; weights that are trained, those of the LoRA, take another 2 for their own gradient. Attention takes 4 x
width x T operations per token of a sequence of T tokens and layer, half of that under a causal mask, and twice as many
in the backward pass. The vision tower is frozen and below all trained weights: forward only. Logits are computed for
answers. What gradient checkpointing computes again does not count, nor does padding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_models import QWEN_IDS, QWEN_IMAGE, QWEN_SPECIAL, QWEN_VIDEO, byte_level, chatml

from videostar.training.log import Record

#: Of config.json of Qwen3-VL-2B-Instruct and Qwen3-VL-8B-Instruct: the language model and the vision tower.
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "2B": (
        {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16},
        {"hidden_size": 1024, "intermediate_size": 4096, "depth": 24, "deepstack_visual_indexes": [5, 11, 17]},
    ),
    "8B": (
        {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32},
        {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "deepstack_visual_indexes": [8, 16, 24]},
    ),
    "tiny": (
        {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2},
        {"hidden_size": 64, "intermediate_size": 128, "depth": 2, "deepstack_visual_indexes": [0]},
    ),
}
#: Operations per second in bfloat16 without sparsity, by the name of the GPU.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "A800": 312e12, "L40S": 362e12}


def make_model(size: str, folder: Path) -> Path:
    """The model and its processor, saved in the folder. Weights are drawn on the GPU, if there is one."""
    tiny = size == "tiny"
    processor = _processor(512 if tiny else 151936)
    config = _config(size, processor)
    with torch.device("meta"):
        model = hf.AutoModelForImageTextToText.from_config(config, dtype=torch.float32 if tiny else torch.bfloat16)
    model = model.to_empty(device="cuda" if torch.cuda.is_available() else "cpu")
    model.tie_weights()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim > 1:
                weights.normal_(std=0.02 if "embed" in name else weights[0].numel() ** -0.5)
            else:
                weights.fill_(0.0 if name.endswith("bias") else 1.0)
        # No answer ends early or holds a placeholder.
        special = [number for number, token in processor.tokenizer.added_tokens_decoder.items() if token.special]
        model.lm_head.weight[special] = 0
    ids = {"pad_token_id": processor.tokenizer.pad_token_id, "eos_token_id": processor.tokenizer.eos_token_id}
    model.generation_config.update(**ids, bos_token_id=None)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor(vocabulary: int) -> Any:
    """As published, but for the text: a token is a letter, and most tokens of the vocabulary are in no text."""
    normal = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    video_size = {"shortest_edge": 4096, "longest_edge": 25165824}
    return hf.Qwen3VLProcessor(
        hf.Qwen2VLImageProcessor(patch_size=16, size={"shortest_edge": 65536, "longest_edge": 16777216}, **normal),
        byte_level(QWEN_SPECIAL, "<|im_end|>", vocabulary),
        hf.Qwen3VLVideoProcessor(size=video_size, cap_pixels_per_frame=False, **normal),
        chat_template=chatml(QWEN_VIDEO, QWEN_IMAGE),
    )


def _config(size: str, processor: Any) -> Any:
    text, vision = SHAPES[size]
    tied = size != "8B"
    sections = [12, 10, 10] if size == "tiny" else [24, 20, 20]
    token = processor.tokenizer.convert_tokens_to_ids
    return hf.Qwen3VLConfig(
        text_config={
            **text,
            "num_key_value_heads": 2 if size == "tiny" else 8,
            "head_dim": 64 if size == "tiny" else 128,
            "vocab_size": len(processor.tokenizer),
            "max_position_embeddings": 262144,
            "tie_word_embeddings": tied,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": sections,
                "mrope_interleaved": True,
            },
        },
        vision_config={
            **vision,
            "num_heads": 2 if size == "tiny" else 16,
            "patch_size": 16,
            "out_hidden_size": text["hidden_size"],
            "num_position_embeddings": 2304,
        },
        tie_word_embeddings=tied,
        **{name: token(text) for name, text in QWEN_IDS.items()},
    )


class Arithmetic:
    """Operations of a training step, of rows with one clip each of `frames` frames with `pixels` pixels."""

    def __init__(self, bare: Any, rank: int, frames: int, pixels: int) -> None:
        """`bare` is the model, possibly without weights."""
        text, self._vision = bare.config.text_config, bare.config.vision_config
        layers = [module for name, module in bare.named_modules() if ".language_model.layers." in name]
        linear = [module for module in layers if isinstance(module, torch.nn.Linear)]
        self._frozen = sum(module.weight.numel() for module in linear)
        self._lora = rank * sum(sum(module.weight.shape) for module in linear)
        self._head = text.hidden_size * text.vocab_size
        self._attention = 4 * text.num_hidden_layers * text.num_attention_heads * text.head_dim / 2
        tower = bare.model.visual
        self._tower = sum(weights.numel() for name, weights in tower.named_parameters() if weights.ndim > 1)
        self._tower -= tower.pos_embed.weight.numel()
        merged = [*tower.merger.parameters(), *tower.deepstack_merger_list.parameters()]
        self._mergers = sum(weights.numel() for weights in merged if weights.ndim > 1)
        self._pictures = frames // self._vision.temporal_patch_size
        self._patches = pixels // self._vision.patch_size**2  # of a picture

    def step(self, record: Record, rows: int) -> float:
        """Operations of a step of so many rows, by its line in the log."""
        tokens = record["input_tokens"]
        language = tokens * (4 * self._frozen + 6 * self._lora) + 4 * record["tokens"] * self._head
        # As if all rows were of the same length.
        return language + 3 * self._attention * tokens * (tokens / rows) + rows * self._clip()

    def _clip(self) -> float:
        patches = self._pictures * self._patches
        merged = self._vision.spatial_merge_size**2  # patches that become one token
        weights = 2 * patches * (self._tower - self._mergers) + 2 * patches / merged * self._mergers
        return weights + 4 * self._vision.depth * self._vision.hidden_size * patches * self._patches


def peak() -> tuple[str, float | None]:
    """The name of the device, and its operations per second if they are known."""
    if not torch.cuda.is_available():
        return "CPU", None
    name = torch.cuda.get_device_name()
    return name, next((rate for part, rate in PEAKS.items() if part in name), None)
