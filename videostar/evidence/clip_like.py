"""Models of transformers that compare pictures or videos with texts: CLIP, SigLIP, SigLIP 2, X-CLIP, PE-video."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, AutoVideoProcessor

from videostar.evidence.base import Encoded
from videostar.models.load import first_line
from videostar.util.errors import UserError
from videostar.video.clip import Clip

_BATCH = 64  # texts, or frames of a clip, that are encoded at once
_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
#: What a folder's files may raise that are damaged, or not of such a model.
_UNREADABLE = (
    *(OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError),
    *(TypeError, AttributeError, StrictDataclassError),  # values of the wrong type
)


class _Pictures:
    """CLIP and its like: frames one by one."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor

    @property
    def area(self) -> int:
        """Pixels of a frame as the model takes it."""
        return self._side**2

    @property
    def _side(self) -> int:
        return int(self._model.config.vision_config.image_size)

    def encode(self, frames: np.ndarray) -> Encoded:
        """The mean of the frames' unit vectors [1, dimensions], as a unit vector."""
        batches = [self._inputs(frames[start : start + _BATCH]) for start in range(0, len(frames), _BATCH)]
        vectors = torch.cat([self._model.get_image_features(**batch).pooler_output for batch in batches])
        return (functional.normalize(functional.normalize(vectors, dim=-1).mean(0, keepdim=True), dim=-1),)

    def encode_texts(self, tokens: dict[str, Tensor]) -> Tensor:
        """A vector [texts, dimensions] for each text."""
        return functional.normalize(self._model.get_text_features(**tokens).pooler_output, dim=-1)

    def compare(self, clips: Encoded, texts: Tensor) -> Tensor:
        """The logits [clips, texts]."""
        logits: Tensor = self._model.logit_scale.exp() * clips[0] @ texts.T
        return logits + getattr(self._model, "logit_bias", 0.0)  # only SigLIP has one

    def _inputs(self, frames: np.ndarray) -> dict[str, Tensor]:
        return {"pixel_values": self._pixels(frames)}

    def _pixels(self, frames: np.ndarray) -> Tensor:
        """Normalised frames [frames, 3, side, side]."""
        pixels = self._to_device(frames).float() / 255
        # Whole frames: a centre crop, as is usual for pictures, would cut off what happens at the sides.
        pixels = functional.interpolate(pixels, (self._side,) * 2, mode="bicubic", antialias=True).clamp(0, 1)
        if not self._processor.do_normalize:
            return pixels
        mean, deviation = (
            torch.tensor(values, device=pixels.device).view(3, 1, 1)
            for values in (self._processor.image_mean, self._processor.image_std)
        )
        return (pixels - mean) / deviation

    def _to_device(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(frames)).to(self._model.device).permute(0, 3, 1, 2)


class _AnyShape(_Pictures):
    """SigLIP 2 with NaFlex: frames one by one, which keep about their shape."""

    @property
    def area(self) -> int:
        return int(self._processor.max_num_patches * self._processor.patch_size**2)

    def _inputs(self, frames: np.ndarray) -> dict[str, Tensor]:
        pictures = list(self._to_device(frames))
        made = self._processor(images=pictures, input_data_format="channels_first", return_tensors="pt")
        return dict(made.to(self._model.device))


class _XClip(_Pictures):
    """X-CLIP: a fixed number of frames, and texts that are prompted by the video (Ni et al., 2022, section 3.3)."""

    def encode(self, frames: np.ndarray) -> Encoded:
        """The video's unit vector [1, dimensions], and its patches [1, patches, dimensions] that prompt the texts."""
        model = self._model
        chosen = frames[_evenly(len(frames), model.config.vision_config.num_frames)]
        seen = model.vision_model(self._pixels(chosen))
        video = model.mit(model.visual_projection(seen.pooler_output)[None]).pooler_output
        patches = model.prompts_visual_layernorm(seen.last_hidden_state[:, 1:]) @ model.prompts_visual_projection
        return functional.normalize(video, dim=-1), patches.mean(0, keepdim=True)

    def encode_texts(self, tokens: dict[str, Tensor]) -> Tensor:
        """The vectors before they are prompted."""
        vectors: Tensor = self._model.get_text_features(**tokens).pooler_output
        return vectors

    def compare(self, clips: Encoded, texts: Tensor) -> Tensor:
        videos, patches = clips
        scores = []
        for video, prompt in zip(videos, patches, strict=True):  # one by one: memory grows with clips times texts
            prompted = texts + self._model.prompts_generator(texts[None], prompt[None])[0]
            scores.append(self._model.logit_scale.exp() * functional.normalize(prompted, dim=-1) @ video)
        return torch.stack(scores)


class _PeVideo(_Pictures):
    """The video part of Perception Encoder Audio-Video; its vectors have any length, and its scale is no logarithm."""

    @property
    def _side(self) -> int:
        size = self._processor.size
        return int(size["height"] or size["shortest_edge"])

    def encode(self, frames: np.ndarray) -> Encoded:
        """The video's vector [1, dimensions]."""
        most = self._processor.num_frames  # some checkpoints take 16
        chosen = frames[_evenly(len(frames), most)] if most else frames
        seen = self._model.video_encoder(self._pixels(chosen)[None]).pooler_output
        return (self._model.video_head(seen),)

    def encode_texts(self, tokens: dict[str, Tensor]) -> Tensor:
        """As in the model's `forward`: its `get_text_features` cannot be called (transformers 5.19)."""
        states = self._model.text_model(**tokens, output_hidden_states=True).hidden_states[-1]
        vectors: Tensor = self._model.text_video_head(states[:, 0])
        return vectors

    def compare(self, clips: Encoded, texts: Tensor) -> Tensor:
        logits: Tensor = clips[0] @ texts.T * self._model.text_video_logit_scale
        return logits + self._model.text_video_logit_bias


#: By the `model_type` of config.json.
_KINDS: dict[str, type[_Pictures]] = {
    "clip": _Pictures,
    "metaclip_2": _Pictures,
    "altclip": _Pictures,
    "chinese_clip": _Pictures,
    "siglip": _Pictures,  # also SigLIP 2 with a fixed size
    "siglip2": _AnyShape,
    "xclip": _XClip,
    "pe_video": _PeVideo,
    "pe_audio_video": _PeVideo,
}


class ClipLikeEvidence:
    """Compares the vectors of clips and texts.

    Models of pictures get the frames one by one, and their unit vectors are averaged: they do not see the order of
    frames. X-CLIP and PE-video do.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Raises UserError if the folder has no such model that can be read. Weights are read from safetensors only."""
        kind, model, processor, self._tokenizer = _load(folder)
        model = model.eval().to(device)
        self._model, self.device = _KINDS[kind](model, processor), device
        # Padding as in training: to the full length without a mask, or to the longest of a batch with one.
        self._full = kind in ("siglip", "siglip2")
        text = model.config.text_config
        most = text.max_position_embeddings - (text.pad_token_id + 1 if kind == "altclip" else 0)  # as in RoBERTa
        self._length = most if self._full else min(most, self._tokenizer.model_max_length)

    @staticmethod
    def check(folder: Path) -> None:
        """Raises UserError if the folder has no such model, without loading it."""
        _config(folder)
        if not any(folder.glob("*.safetensors")):
            raise UserError(f"{folder}: has no *.safetensors; other formats of weights are not read")

    @property
    def max_pixels(self) -> int:
        """Twice those of the square that frames are scaled to, so that little is lost before."""
        return 2 * self._model.area

    def encode(self, clips: Sequence[Clip]) -> Encoded:
        """Vectors [clips, dimensions]; of X-CLIP also patches [clips, patches, dimensions]."""
        with torch.inference_mode():
            encoded = [self._model.encode(clip.frames) for clip in clips]
            return tuple(torch.cat(parts) for parts in zip(*encoded, strict=True))

    def similarity(self, clips: Encoded, texts: Sequence[str]) -> Tensor:
        """The model's logits [clips, texts], with its scale and bias."""
        with torch.inference_mode():
            vectors, places = self._encode_texts(texts)
            return self._model.compare(clips, vectors)[:, [places[text] for text in texts]]

    def against(self, clips: Encoded, texts: Sequence[str], foils: Sequence[Sequence[str]]) -> list[Tensor]:
        """The logit of each text minus those of its foils, given its clip."""
        differences = []
        with torch.inference_mode():
            vectors, places = self._encode_texts([*texts, *(foil for others in foils for foil in others)])
            for row, (text, others) in enumerate(zip(texts, foils, strict=True)):
                own = tuple(part[row : row + 1] for part in clips)
                scores = self._model.compare(own, vectors[[places[one] for one in (text, *others)]])[0]
                differences.append(scores[0] - scores[1:])
        return differences

    def _encode_texts(self, texts: Sequence[str]) -> tuple[Tensor, dict[str, int]]:
        """The vectors of the different texts, and the row of each."""
        places = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        different = list(places)
        batches = [different[start : start + _BATCH] for start in range(0, len(different), _BATCH)]
        return torch.cat([self._model.encode_texts(self._tokens(batch)) for batch in batches]), places

    def _tokens(self, texts: list[str]) -> dict[str, Tensor]:
        made = self._tokenizer(
            # Both SigLIP were trained on small letters, which the tokenizers of some checkpoints of SigLIP 2 leave out.
            [text.lower() for text in texts] if self._full else texts,
            padding="max_length" if self._full else True,
            truncation=True,
            max_length=self._length,
            return_tensors="pt",
        )
        names = ["input_ids"] if self._full else ["input_ids", "attention_mask"]
        return {name: made[name].to(self.device) for name in names}


def _config(folder: Path) -> Any:
    """The configuration of a model of one of `_KINDS`. Raises UserError if it has another, or none that can be read."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no config.json there; give the folder of a model such as CLIP or SigLIP")
    try:
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
    except _UNREADABLE as error:
        raise UserError(f"{folder}: cannot be read as a model of pictures and texts ({first_line(error)})") from None
    if config.model_type not in _KINDS:
        raise UserError(
            f"{folder}: a model of type {config.model_type!r} does not compare clips with texts; give one of "
            f"{', '.join(_KINDS)}"
        )
    return config


def _load(folder: Path) -> tuple[str, Any, Any, Any]:
    """The `model_type`, the model, its processor and its tokenizer."""
    config = _config(folder)
    kind = str(config.model_type)
    try:
        config = config.video_config if kind == "pe_audio_video" else config  # without the part for sound
        with redirect_stdout(StringIO()):  # PE-video prints about its own docstrings
            model, report = AutoModel.from_pretrained(
                folder, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **_LOCAL
            )
        videos = issubclass(_KINDS[kind], _PeVideo)
        processor = (AutoVideoProcessor if videos else AutoImageProcessor).from_pretrained(folder, **_LOCAL)
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except _UNREADABLE as error:
        raise UserError(f"{folder}: cannot be read as a model of pictures and texts ({first_line(error)})") from None
    if report["missing_keys"]:  # they would be random
        raise UserError(f"{folder}: its weights have no {min(report['missing_keys'])}; give a complete model")
    if tokenizer.pad_token is None:
        raise UserError(f"{folder}: its tokenizer has no pad_token; set one in tokenizer_config.json")
    return kind, model, processor, tokenizer


def _evenly(there: int, wanted: int) -> np.ndarray:
    """The indices of `wanted` frames; some repeat if there are fewer."""
    return np.linspace(0, there - 1, wanted).round().astype(int)
