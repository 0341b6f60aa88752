"""Models of transformers as evidence: small random ones of each family, compared with their own forward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tiny_models import byte_level
from tokenizers import processors
from torch import Tensor
from torch.nn import functional

from videostar.evidence.clip_like import ClipLikeEvidence
from videostar.util.errors import UserError
from videostar.video.clip import Clip

SIDE, FRAMES, LENGTH = 32, 4, 24
CPU = torch.device("cpu")
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**SMALL, "image_size": SIDE, "patch_size": 8}
TEXTS = ["a red circle moves up", "A", "a blue square stays still", "a red circle moves up"]
PICTURES = ("clip", "metaclip_2", "altclip", "chinese_clip", "siglip")
FAMILIES = (*PICTURES, "siglip2", "xclip", "pe_video", "pe_audio_video")
LAST = 97  # the number of the token that ends a text and pads it, as CLIP's


def _tokenizer() -> Any:
    """One token a letter, between a first and a last one."""
    first, last = "<|startoftext|>", "<|endoftext|>"
    made = byte_level([first], last)
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, LAST - 1), (last, LAST)]
    )
    assert made.pad_token_id == LAST
    return made


def _text(tokenizer: Any, **more: Any) -> dict[str, Any]:
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    return {**SMALL, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, **more}


def _two_towers(model: Any, config: Any, **text: Any) -> Callable[[Any], Any]:
    return lambda tokenizer: model(
        config(text_config=_text(tokenizer, **text), vision_config=VISION, projection_dim=32)
    )


def _siglip2(tokenizer: Any) -> Any:
    vision = {**SMALL, "patch_size": 8, "num_patches": 16}
    text = _text(tokenizer, projection_size=32)
    return hf.Siglip2Model(hf.Siglip2Config(text_config=text, vision_config=vision))


def _xclip(tokenizer: Any) -> Any:
    mit = {"mit_hidden_size": 32, "mit_intermediate_size": 64, "mit_num_attention_heads": 2, "num_frames": FRAMES}
    config = hf.XCLIPConfig(
        text_config=_text(tokenizer),
        vision_config={**VISION, **mit},
        projection_dim=32,
        prompt_num_attention_heads=2,
        prompt_alpha=1.0,
    )
    return hf.XCLIPModel(config)


PE_SMALL = {**SMALL, "head_dim": 16}


def _pe_config(tokenizer: Any) -> dict[str, Any]:
    tower = {"img_size": SIDE, "embed_dim": 32, "depth": 1, "num_heads": 2}
    return {
        "text_config": {**_text(tokenizer), "model_type": "modernbert", "cls_token_id": None, "sep_token_id": None},
        "video_config": {
            **PE_SMALL,
            "vision_config": {
                "architecture": "vit_pe_core_tiny_patch16_384",
                "model_args": tower,
                "num_classes": 24,
                "label_names": [str(number) for number in range(24)],
            },
        },
    }


def _pe_video(tokenizer: Any) -> Any:
    return hf.PeVideoModel(hf.PeVideoConfig(**_pe_config(tokenizer)))


def _pe_audio_video(tokenizer: Any) -> Any:
    given = _pe_config(tokenizer)
    dac = {"encoder_hidden_size": 8, "decoder_hidden_size": 16, "downsampling_ratios": [2, 2], "codebook_dim": 4}
    both = {**PE_SMALL, "audio_config": {**PE_SMALL, "dac_config": dac}, "video_config": given["video_config"]}
    return hf.PeAudioVideoModel(hf.PeAudioVideoConfig(text_config=given["text_config"], audio_video_config=both))


MAKERS: dict[str, Callable[[Any], Any]] = {
    "clip": _two_towers(hf.CLIPModel, hf.CLIPConfig),
    "metaclip_2": _two_towers(hf.MetaClip2Model, hf.MetaClip2Config),
    "altclip": _two_towers(
        hf.AltCLIPModel, hf.AltCLIPConfig, project_dim=32, max_position_embeddings=LENGTH + LAST + 1
    ),
    "chinese_clip": _two_towers(hf.ChineseCLIPModel, hf.ChineseCLIPConfig),
    "siglip": lambda tokenizer: hf.SiglipModel(
        hf.SiglipConfig(text_config=_text(tokenizer, projection_size=32), vision_config=VISION)
    ),
    "siglip2": _siglip2,
    "xclip": _xclip,
    "pe_video": _pe_video,
    "pe_audio_video": _pe_audio_video,
}


def _processor(family: str) -> Any:
    size = {"size": {"height": SIDE, "width": SIDE}}
    normal = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
    if family == "siglip2":
        return hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16, **normal)
    if family.startswith("pe_"):
        frames = FRAMES if family == "pe_audio_video" else None
        return hf.PeVideoVideoProcessor(**size, **normal, do_normalize=True, do_rescale=True, num_frames=frames)
    kind = hf.SiglipImageProcessor if family == "siglip" else hf.CLIPImageProcessor
    return kind(**size, **normal, crop_size={"height": 8, "width": 8})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with a small random model of each family, and these models."""
    folder, models = tmp_path_factory.mktemp("evidence"), {}
    for family, make in MAKERS.items():
        torch.manual_seed(0)
        tokenizer = _tokenizer()
        models[family] = model = make(tokenizer).eval()
        for name, weights in model.named_parameters():  # larger than models start with, so that all inputs count
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=1.5 / weights[0].numel() ** 0.5)
            elif "logit" in name:
                torch.nn.init.constant_(weights, 1.5)
        for part in model.modules():
            if isinstance(part, torch.nn.Embedding) and part.padding_idx is not None:
                torch.nn.init.zeros_(part.weight[part.padding_idx])  # as transformers does when it loads the model
        model.save_pretrained(folder / family)
        tokenizer.save_pretrained(folder / family)
        _processor(family).save_pretrained(folder / family)
    return folder, models


@pytest.fixture(scope="module")
def models(made: tuple[Path, dict[str, Any]]) -> Path:
    """A folder with a small random model of each family."""
    return made[0]


@pytest.fixture
def evidence(models: Path, family: str) -> ClipLikeEvidence:
    """The model of a family, loaded."""
    return _loaded(models / family)


@cache
def _loaded(folder: Path) -> ClipLikeEvidence:
    return ClipLikeEvidence(folder, CPU)


def _clip(seed: int, frames: int = FRAMES, width: int = SIDE) -> Clip:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, SIDE, width, 3), dtype=np.uint8)
    return Clip(pixels, tuple(range(frames)), 1.0, frames)


def _own(made: tuple[Path, dict[str, Any]], family: str, clip: Clip, texts: list[str]) -> Any:
    """What the model's forward pass returns for the frames and the texts."""
    folder, model = made[0] / family, made[1][family]
    full = family in ("siglip", "siglip2")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    padding = {"padding": "max_length" if full else True, "max_length": LENGTH, "truncation": True}
    tokens = tokenizer([text.lower() if full else text for text in texts], return_tensors="pt", **padding)
    pixels = torch.tensor(clip.frames).permute(0, 3, 1, 2)
    given: dict[str, Any] = {"input_ids": tokens.input_ids}
    if not full:
        given["attention_mask"] = tokens.attention_mask
    if family.startswith("pe_"):
        model = getattr(model, "video_model", model)
        given |= hf.AutoVideoProcessor.from_pretrained(folder)([pixels], do_resize=False, return_tensors="pt")
    else:
        as_it_is = {} if family == "siglip2" else {"do_resize": False, "do_center_crop": False}
        given |= hf.AutoImageProcessor.from_pretrained(folder)(list(pixels), return_tensors="pt", **as_it_is)
    if family == "xclip":
        given["pixel_values"] = given["pixel_values"][None]
    with torch.inference_mode():
        return model(**given)


def _logits(own: Any) -> Tensor:
    logits = [getattr(own, f"logits_{name}", None) for name in ("per_image", "per_video", "video_text")]
    return next(one for one in logits if one is not None)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_the_models_own_logits(
    made: tuple[Path, dict[str, Any]], evidence: ClipLikeEvidence, family: str
) -> None:
    clips = [_clip(seed, 1 if family in (*PICTURES, "siglip2") else FRAMES) for seed in (1, 2)]
    scores = evidence.similarity(evidence.encode(clips), TEXTS)
    expected = torch.cat([_logits(_own(made, family, clip, TEXTS)) for clip in clips])
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    assert (scores[:, 0] - scores[:, 2]).abs().min() > 1e-3, "the texts make no difference"
    assert (scores[0] - scores[1]).abs().min() > 1e-3, "the clips make no difference"


@pytest.mark.parametrize("family", [*PICTURES, "siglip2"])
def test_vectors_of_frames_are_averaged(
    made: tuple[Path, dict[str, Any]], evidence: ClipLikeEvidence, family: str
) -> None:
    clip = _clip(3)
    own = _own(made, family, clip, TEXTS)
    (vectors,) = evidence.encode([clip])
    torch.testing.assert_close(vectors[0], functional.normalize(own.image_embeds.mean(0), dim=0))


@pytest.mark.parametrize("family", FAMILIES)
def test_only_models_of_videos_see_the_order_of_frames(evidence: ClipLikeEvidence, family: str) -> None:
    clip = _clip(4)
    backwards = Clip(clip.frames[::-1], clip.times, clip.fps, clip.seconds)
    there, back = evidence.similarity(evidence.encode([clip, backwards]), TEXTS)
    blind = family in (*PICTURES, "siglip2")
    assert torch.allclose(there, back, atol=1e-4) == blind


@pytest.mark.parametrize("family", ["xclip", "pe_audio_video"])
def test_frames_are_chosen_evenly_if_their_number_is_fixed(evidence: ClipLikeEvidence) -> None:
    clip = _clip(12, frames=7)
    chosen = Clip(clip.frames[::2], clip.times[::2], clip.fps, clip.seconds)
    one, other = evidence.similarity(evidence.encode([clip, chosen]), TEXTS)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_against_foils(evidence: ClipLikeEvidence) -> None:
    clips = evidence.encode([_clip(seed) for seed in (5, 6, 7)])
    foils = [["a blue circle moves up", "a red square moves up"], [], ["a red circle moves up" + " and on" * 60]]
    odds = evidence.against(clips, TEXTS[:3], foils)
    assert [len(row) for row in odds] == [2, 0, 1]
    for number, (row, others) in enumerate(zip(odds, foils, strict=True)):
        scores = evidence.similarity(clips, [TEXTS[number], *others])[number]
        torch.testing.assert_close(row, scores[0] - scores[1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_do_not_change_a_score(evidence: ClipLikeEvidence) -> None:
    clips = [_clip(8), _clip(9, frames=70, width=2 * SIDE), _clip(10, frames=2)]
    texts = [f"{number} " + "a word " * (number % 5) for number in range(70)]
    together = evidence.similarity(evidence.encode(clips), texts)
    for number, clip in enumerate(clips):
        alone = [evidence.similarity(evidence.encode([clip]), [text])[0, 0] for text in texts[::23]]
        torch.testing.assert_close(together[number, ::23], torch.stack(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_are_not_cropped(evidence: ClipLikeEvidence) -> None:
    clip = _clip(11, width=3 * SIDE)
    sides = clip.frames.copy()
    sides[:, :, : SIDE // 2] = 0
    changed = Clip(sides, clip.times, clip.fps, clip.seconds)
    one, other = evidence.encode([clip, changed])[0]
    assert (one - other).abs().max() > 1e-3
    assert evidence.max_pixels == 2 * SIDE**2


def _refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        ClipLikeEvidence(folder, CPU)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{folder}: ")
    return line


def test_folders_without_such_a_model_are_refused(models: Path, tmp_path: Path) -> None:
    assert "no config.json" in _refusal(tmp_path)
    hf.CLIPVisionModel(hf.CLIPVisionConfig(**VISION)).save_pretrained(tmp_path / "one-tower")
    assert "'clip_vision_model' does not compare clips with texts" in _refusal(tmp_path / "one-tower")


def _copy(models: Path, folder: Path, without: str) -> Path:
    folder.mkdir()
    for file in (models / "clip").iterdir():
        if file.name != without:
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_weights_that_cannot_be_used_are_refused(models: Path, tmp_path: Path) -> None:
    weights = load_file(models / "clip" / "model.safetensors")
    pickled = _copy(models, tmp_path / "pickled", without="model.safetensors")
    torch.save(weights, pickled / "pytorch_model.bin")
    assert "model.safetensors" in _refusal(pickled)

    cut = _copy(models, tmp_path / "cut", without="model.safetensors")
    (cut / "model.safetensors").write_bytes((models / "clip" / "model.safetensors").read_bytes()[:5000])
    assert "cannot be read" in _refusal(cut)

    partial = _copy(models, tmp_path / "partial", without="model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, partial / "model.safetensors", {"format": "pt"})
    assert "have no text_projection.weight" in _refusal(partial)


@pytest.mark.parametrize("file", ["tokenizer.json", "preprocessor_config.json"])
def test_a_missing_part_is_refused(models: Path, tmp_path: Path, file: str) -> None:
    assert "cannot be read" in _refusal(_copy(models, tmp_path / "part", without=file))


@pytest.mark.parametrize("config", ["{", "[]", '{"model_type": "clip", "projection_dim": "wide"}', '{"model_type": 3}'])
def test_a_config_that_cannot_be_read_is_refused(models: Path, tmp_path: Path, config: str) -> None:
    folder = _copy(models, tmp_path / "broken", without="config.json")
    (folder / "config.json").write_text(config)
    assert "cannot be read" in _refusal(folder)
