"""Vision towers of transformers: from frames to the tokens of each layer, with or without temporal blocks between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel, AutoProcessor, AutoVideoProcessor, VJEPA2PreTrainedModel
from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2AttentivePooler

from videostar.baseline.layout import Layout, Shape
from videostar.baseline.uniformer import UniFormer
from videostar.models.chat import metadata
from videostar.models.load import first_line
from videostar.util.errors import UserError
from videostar.util.resources import check_model, model_path
from videostar.video.clip import Clip


@dataclass(frozen=True)
class _Kind:
    """Names in a class of transformers."""

    name: str  # as users know it
    blocks: str  # the path of its layers
    branch: str  # the module of a layer whose output is added to the tokens after attention
    processor: Any = AutoImageProcessor
    pixels: str = "pixel_values"  # the argument that takes them
    class_token: bool = False  # before the patches of each frame
    any_size: bool = False  # frames keep their size; others are scaled to the same square
    frames: int | None = None  # of each clip, at most, for a model of videos; None: it takes frames one by one
    attentive: bool = False  # its own classifier has a pooler that attends to all tokens


_QWEN3 = _Kind("Qwen3-VL", "blocks", "attn", processor=AutoProcessor, any_size=True)
_DINO = _Kind("DINOv2", "encoder.layer", "layer_scale1", class_token=True)
#: By class.
_KINDS = {
    "Qwen3VLVisionModel": _QWEN3,
    "Qwen3VLMoeVisionModel": _QWEN3,
    "CLIPVisionModel": _Kind("CLIP", "encoder.layers", "self_attn", class_token=True),
    "SiglipVisionModel": _Kind("SigLIP", "encoder.layers", "self_attn"),
    "Dinov2Model": _DINO,
    "Dinov2WithRegistersModel": _DINO,
    "VideoMAEModel": _Kind("VideoMAE", "encoder.layer", "attention", frames=16),
    "VJEPA2Encoder": _Kind(
        *("V-JEPA 2", "layer", "attention"),
        processor=AutoVideoProcessor,
        pixels="pixel_values_videos",
        frames=16,
        attentive=True,
    ),
}


class Tower(nn.Module):
    """A vision tower with its processor."""

    def __init__(self, module: Any, processor: Any) -> None:
        super().__init__()
        self.module = module
        self._kind = _KINDS[type(module).__name__]
        self._processor = processor
        config = module.config
        self.width: int = config.hidden_size
        self.heads: int = getattr(config, "num_attention_heads", None) or config.num_heads
        self.depth = len(self._blocks)
        self._first = int(self._kind.class_token) + (getattr(config, "num_register_tokens", None) or 0)

    @property
    def _blocks(self) -> Any:
        return self.module.get_submodule(self._kind.blocks)

    @property
    def side(self) -> int | None:
        """The side of the square that frames are scaled to, in pixels; None if they keep their size."""
        if self._kind.any_size:
            return None
        for size in (getattr(self._processor, "crop_size", None), getattr(self._processor, "size", None)):
            if size and (side := size.get("height")):
                return int(side)
        return int(self.module.config.image_size)

    def inputs(self, clip: Clip) -> tuple[Tensor, Shape]:
        """The pixels of a clip as the tower takes them, and its shape in patches."""
        side = self.side
        if side is None:
            made = self._processor(
                videos=[torch.from_numpy(clip.frames).permute(0, 3, 1, 2)],
                video_metadata=[metadata(clip)],
                do_sample_frames=False,
                return_tensors="pt",
            )
            frames, rows, columns = made["video_grid_thw"][0].tolist()
            return made["pixel_values_videos"], (frames, rows, columns)
        config = self.module.config
        frames, tubelet = clip.frames, 1  # frames of a patch
        if self._kind.frames is not None:
            most = getattr(config, "num_frames", None) or config.frames_per_clip
            at = np.linspace(0, len(frames) - 1, min(most, self._kind.frames)).round().astype(int)
            frames, tubelet = frames[at], config.tubelet_size
        pixels = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255
        # Whole frames: a centre crop, as is usual for pictures, would cut off what happens at the sides.
        pixels = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1) for values in (self._processor.image_mean, self._processor.image_std)
        )
        pixels = (pixels - mean) / deviation
        shape = len(pixels) // tubelet, side // config.patch_size, side // config.patch_size
        return pixels[None] if self._kind.frames is not None else pixels, shape

    @property
    def attentive(self) -> bool:
        """Does its own classifier have an attentive pooler, which has to be trained?"""
        return self._kind.attentive

    def forward(
        self, pixels: Tensor, shapes: Sequence[Shape], arm: UniFormer | None = None, pooler: nn.Module | None = None
    ) -> Tensor:
        """A vector for each clip [clips, width]: the tower's tokens pooled over frames, or what `arm` makes of them.

        `pixels` are those of `inputs`, one clip after another. With a `pooler`, which only some towers have, it pools.
        """
        if pooler is not None:
            attended: Tensor = pooler(self.module(**{self._kind.pixels: pixels}).last_hidden_state)
            return attended
        merge = self.module.config.spatial_merge_size if self._kind.any_size else 1
        layout = Layout.of(shapes, pixels.device, first=self._first, merge=merge)
        seen = _Pass(layout, arm)
        with ExitStack() as hooks:
            for number, block in enumerate(self._blocks):
                seen.watch(number, block, block.get_submodule(self._kind.branch), hooks)
            if self._kind.any_size:
                self.module(pixels, grid_thw=torch.tensor(shapes, device=pixels.device))
            else:
                self.module(**{self._kind.pixels: pixels})
        if seen.tokens is None:
            raise RuntimeError("no layer of the tower was run")
        pooled = layout.pooled(seen.tokens)
        return pooled if arm is None or seen.query is None else arm.fused(seen.query, pooled)


class AttentivePooler(VJEPA2PreTrainedModel):
    """V-JEPA 2's own (Assran et al., 2025): a query attends to all tokens. It starts as in transformers."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.pooler = VJEPA2AttentivePooler(config)
        self.post_init()

    def forward(self, tokens: Tensor) -> Tensor:
        """A vector [clips, width] for the tokens [clips, tokens, width] of each clip."""
        pooled: Tensor = self.pooler(tokens)
        return pooled


class _Pass:
    """One forward pass: hooks give each layer's tokens to the temporal blocks."""

    def __init__(self, layout: Layout, arm: UniFormer | None) -> None:
        self._layout, self._arm = layout, arm
        self.tokens: Tensor | None = None  # of the last layer that is done
        self.query: Tensor | None = None

    def watch(self, number: int, block: nn.Module, branch: nn.Module, hooks: ExitStack) -> None:
        """Hook a layer and the module in it whose output is added to the tokens after attention."""
        arm, layout = self._arm, self._layout

        def leave(_: nn.Module, inputs: Any, output: Any) -> None:
            tokens = output[0] if isinstance(output, tuple) else output
            self.tokens = tokens.reshape(-1, tokens.shape[-1])
            if arm is not None:
                self.query = arm.attend(number, self.query, self.tokens, layout)

        hooks.enter_context(block.register_forward_hook(leave))
        if arm is None:
            return
        entered: list[Tensor] = []

        def enter(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            tokens = inputs[0].reshape(-1, inputs[0].shape[-1])
            tokens = tokens + arm.before[number](tokens, layout)
            entered[:] = [tokens]
            return (tokens.view_as(inputs[0]), *inputs[1:])

        def attended(_: nn.Module, inputs: Any, output: Any) -> Any:
            change, *rest = output if isinstance(output, tuple) else (output,)
            change = change + arm.after[number](entered[0] + change.reshape_as(entered[0]), layout).view_as(change)
            return (change, *rest) if rest else change

        hooks.enter_context(block.register_forward_pre_hook(enter))
        hooks.enter_context(branch.register_forward_hook(attended))


def load_tower(name: str, device: torch.device) -> Tower:
    """The vision tower of the model `name`: `embedded`, a folder or a downloaded model's hub id; in float32.

    Raises UserError if there is no such model or none of its parts is a tower of a known kind.
    """
    check_model(name)
    path = model_path(name)
    try:
        model = AutoModel.from_pretrained(path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"--encoder {name}: {first_line(error)}; give a folder with config.json and *.safetensors"
        ) from None
    module = next((part for part in model.modules() if type(part).__name__ in _KINDS), None)
    if module is None:
        known = ", ".join(dict.fromkeys(kind.name for kind in _KINDS.values()))
        raise UserError(
            f"--encoder {name}: a model of type {model.config.model_type!r} has no vision tower of a known kind; give "
            f"one of {known}"
        )
    try:
        processor = _KINDS[type(module).__name__].processor.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"--encoder {name}: {first_line(error)}; its folder needs preprocessor_config.json") from None
    tower: Tower = Tower(module, getattr(processor, "video_processor", processor)).to(device)
    return tower
