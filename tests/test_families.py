"""Each family of models, on a small one made on the spot: prompts, training, and the same answers of both engines."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel, get_peft_model
from random_lora import make_lora
from tiny_models import MAKERS, make

from videostar.config import Cache, Pipeline
from videostar.engines import open_engine
from videostar.engines.base import EngineProtocol, Reply, Request
from videostar.engines.transformers import TransformersEngine
from videostar.engines.vllm.options import VllmSetup
from videostar.models.canary import read_canaries, write_canaries
from videostar.models.chat import IGNORED, Chat, Turn, without_prompts
from videostar.models.families import FAMILIES, complete
from videostar.models.load import load_model, load_processor
from videostar.models.lora import lora_config
from videostar.models.refusals import Refusals
from videostar.pipeline_files import load_pipeline
from videostar.util.errors import UserError
from videostar.video.clip import Clip
from videostar.video.probe import probe
from videostar.video.sampling import Sampling

SET = ["video.frames=4", "generation.max_new_tokens=16"]
ASKED = "What moves here, and how?"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """More wait for each other longer than such small models take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs num2words")
    return str(request.param)


@pytest.fixture(scope="module")
def settings(name: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = make(name, tmp_path_factory.mktemp("models") / name)
    return load_pipeline("demo", model=str(folder), mix=None, settings=SET)


@pytest.fixture(scope="module")
def reference(settings: Pipeline) -> TransformersEngine:
    return TransformersEngine(settings)


@pytest.fixture(scope="module")
def chat(settings: Pipeline) -> Chat:
    return Chat(load_processor(settings.spec))


@pytest.fixture(scope="module")
def clips(world: Path) -> list[Clip]:
    cache = Cache().frames()
    videos = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:6]
    return [cache.clip(video, probe(video).sha256, Sampling(4, 4096)) for video in videos]


@pytest.fixture(scope="module")
def adapter(settings: Pipeline, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lora(settings, tmp_path_factory.mktemp("adapters") / "one", 1, clips[0], scale=0.1)


def requests(clips: Sequence[Clip]) -> list[Request]:
    return [Request(question, [clip]) for clip in clips for question in (ASKED, "Who is it?")]


def said(engine: EngineProtocol, adapter: Path | None, requests: Sequence[Request]) -> list[Reply]:
    engine.use(adapter)
    return engine.answer(requests)


def texts(replies: Sequence[Reply]) -> list[str]:
    return [one.text for reply in replies if isinstance(reply, list) for one in reply]


def cut_off(replies: Sequence[Reply]) -> list[bool]:
    return [one.cut_off for reply in replies if isinstance(reply, list) for one in reply]


def test_every_family_has_a_small_model_and_so_has_one_that_is_none() -> None:
    assert set(MAKERS) == {*FAMILIES, "qwen2_vl"}


def test_a_prompt_holds_the_question_once_and_room_for_the_clip(chat: Chat, clips: list[Clip]) -> None:
    shown = chat.prompts([Turn(ASKED, [clips[0]])])["input_ids"][0]
    told = chat.prompts([Turn(ASKED)])["input_ids"][0]
    assert chat.tokenizer.decode(shown).count(ASKED) == 1
    assert len(shown) > len(told) + 4  # at least a token for every frame
    assert chat.text(Turn(ASKED, [clips[0]])).count(chat.processor.video_token) == 1


def test_a_label_cannot_show_another_video(chat: Chat, clips: list[Clip]) -> None:
    text = chat.text(Turn(f"Is it {chat.processor.video_token}?", [clips[0]]))
    assert text.count(chat.processor.video_token) == 1


def test_what_stands_for_a_video_is_harmless_in_an_answer(settings: Pipeline, chat: Chat, clips: list[Clip]) -> None:
    model = load_model(settings.spec)
    for mark in (chat.processor.video_token, chat.processor.image_token):
        batch = chat.examples([Turn(ASKED, [clips[0]], f"It is a {mark}."), Turn(f"Is it {mark}?", [clips[1]], mark)])
        assert torch.isfinite(model(**batch).loss)


def test_a_canary_ends_before_what_stands_for_a_video(
    settings: Pipeline, chat: Chat, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_model(settings.spec)
    model: Any = get_peft_model(base, lora_config(base, settings.training))
    words = chat.tokenizer("ab", add_special_tokens=False)["input_ids"]
    for mark in chat.tokenizer.convert_tokens_to_ids([chat.processor.video_token, chat.processor.image_token]):
        for tokens, kept in (([*words, mark, *words], [words]), ([mark, *words], [])):
            said = torch.tensor([tokens])
            monkeypatch.setattr(
                model, "generate", lambda said=said, **inputs: torch.cat([inputs["input_ids"], said], dim=1)
            )
            write_canaries(tmp_path, model, chat, [(ASKED, clips[0])])
            assert [canary.answer for canary in read_canaries(tmp_path)] == kept


def test_a_batch_gives_each_clip_what_it_gets_alone(reference: TransformersEngine, clips: list[Clip]) -> None:
    asked = requests(clips[:3])
    assert said(reference, None, asked) == [reply for one in asked for reply in reference.answer([one])]


def test_penalties_that_come_with_a_checkpoint_are_left_out(
    settings: Pipeline, reference: TransformersEngine, clips: list[Clip], tmp_path: Path
) -> None:
    """As vLLM does, so that both engines answer alike."""
    folder = shutil.copytree(settings.model, tmp_path / "model")
    known = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**known, "repetition_penalty": 9.0}))
    with TransformersEngine(settings.model_copy(update={"model": str(folder)})) as penalised:
        assert said(penalised, None, requests(clips[:2])) == said(reference, None, requests(clips[:2]))


def test_answers_turn_on_the_clip_and_on_the_question(reference: TransformersEngine, clips: list[Clip]) -> None:
    replies = texts(said(reference, None, requests(clips)))
    assert len(set(replies)) > len(replies) // 2
    for question in (0, 1):
        assert len(set(replies[question::2])) > 1


def test_a_question_shows_two_clips(
    settings: Pipeline, reference: TransformersEngine, chat: Chat, clips: list[Clip]
) -> None:
    assert not Refusals(settings.spec, settings.video).one_video_only
    assert chat.text(Turn(ASKED, clips[:2])).count(chat.processor.video_token) == 2
    first, *others = clips[:5]
    replies = said(reference, None, [Request(ASKED, [first, other]) for other in others])
    assert len(set(texts(replies))) > 1
    alone = said(reference, None, [Request(ASKED, [first])])
    assert alone[0] not in replies
    batch = chat.examples([Turn(ASKED, clips[:2], "A."), Turn(ASKED, [first], "B."), Turn(ASKED, answer="C.")])
    assert torch.isfinite(load_model(settings.spec)(**batch).loss)


def test_an_answer_is_learnt_in_the_tokens_that_generation_writes(chat: Chat, clips: list[Clip]) -> None:
    batch = chat.examples([Turn(ASKED, [clips[0]], "It is a ball."), Turn(ASKED, answer="No.")])
    answers = [row[row != IGNORED] for row in batch["labels"]]
    assert chat.decode(answers) == ["It is a ball.", "No."]
    assert all(int(answer[-1]) == chat.tokenizer.eos_token_id for answer in answers)
    # One that the tokenizer of Llama begins with a space has one, not two.
    assert "  " not in chat.tokenizer.decode(batch["input_ids"][0])


@pytest.mark.parametrize("name", ["llava_onevision"], indirect=True, scope="module")
def test_a_template_with_a_space_before_answers_alone_is_trained_without_it(chat: Chat, clips: list[Clip]) -> None:
    """As transformers' own tests of LLaVA-OneVision have it."""
    spaced = copy.copy(chat.processor)
    spaced.chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + ' ' }}"
        "{% for part in message.content %}{{ '<video>' if part.type == 'video' else '\n' + part.text }}{% endfor %}"
        "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    turn = Turn(ASKED, [clips[0]], "It is a ball.")
    ids = Chat(spaced).examples([turn])["input_ids"][0]
    prompt = Chat(spaced).prompts([turn])["input_ids"][0]
    assert torch.equal(ids[: len(prompt)], prompt)
    assert chat.tokenizer.decode(ids[len(prompt) :]) == "It is a ball.<|im_end|>"
    spaced.chat_template = spaced.chat_template.replace("+ part.text", "+ part.text | upper")
    with pytest.raises(UserError, match="chat template changes answers"):
        Chat(spaced).examples([turn])


def test_a_step_of_training_changes_the_language_model_alone(
    settings: Pipeline, name: str, chat: Chat, clips: list[Clip]
) -> None:
    base = load_model(settings.spec)
    model: Any = get_peft_model(base, lora_config(base, settings.training))
    trained = {path for path, weights in model.named_parameters() if weights.requires_grad}
    assert trained
    assert not [path for path in trained if "vis" in path or "tower" in path or "project" in path or "connect" in path]
    layers = base.config.get_text_config().num_hidden_layers
    linear = 4 if name == "qwen3_vl_moe" else 7  # q, k, v, o, and gate, up, down unless they are experts
    assert len(trained) == layers * linear * 2  # each of two factors
    batch = chat.examples(
        [Turn(ASKED, [clips[0]], "It is a ball."), Turn(ASKED, [clips[1]], "No."), Turn("Hm?", answer="A")]
    )
    losses = []
    optimizer = torch.optim.SGD([weights for weights in model.parameters() if weights.requires_grad], lr=0.05)
    for _ in range(2):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_the_loss_needs_no_logits_of_prompts(settings: Pipeline, chat: Chat, clips: list[Clip]) -> None:
    batch = chat.examples([Turn(ASKED, [clips[0]], "It is a ball."), Turn(f"{ASKED} {ASKED}", [clips[1]], "No.")])
    model = load_model(settings.spec)
    whole, part = model(**batch), model(**without_prompts(batch))
    assert part.logits.shape[1] < whole.logits.shape[1] / 2
    torch.testing.assert_close(part.loss, whole.loss)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"], indirect=True, scope="module")
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_text_after_a_video_is_numbered_after_its_end(
    settings: Pipeline, chat: Chat, clips: list[Clip], name: str, side: str
) -> None:
    turns = [Turn(ASKED, [clips[0]]), Turn("Who?", [clips[1]]), Turn("Who?"), Turn("Who?", clips[:3])]
    batch = chat.prompts(turns, padding_side=side)
    asked = {key: value for key, value in batch.items() if key != "pixel_values_videos"}
    positions, deltas = load_model(settings.spec).model.get_rope_index(**asked)
    for row, (mask, types) in enumerate(zip(batch["attention_mask"].bool(), batch["mm_token_type_ids"], strict=True)):
        numbers, shown = positions[:, row, mask], types[mask].nonzero()
        for place in range(1, numbers.shape[1]):  # what is new begins after all that came before
            if types[mask][place - 1] and not types[mask][place]:
                assert (numbers[:, place] == numbers[:, :place].max() + 1).all()
        text = int(shown[-1]) + 1 if len(shown) else 0
        start = int(numbers[:, :text].max()) + 1 if text else 0
        end = start + numbers.shape[1] - text
        assert numbers[:, text:].tolist() == [list(range(start, end))] * 3
        assert int(deltas[row]) == end - numbers.shape[1]


def test_a_merged_adapter_says_what_peft_says(
    settings: Pipeline, reference: TransformersEngine, clips: list[Clip], adapter: Path, chat: Chat
) -> None:
    asked = requests(clips[:3])
    merged = said(reference, adapter, asked)
    assert merged != said(reference, None, asked)
    model: Any = PeftModel.from_pretrained(load_model(settings.spec), str(adapter)).eval()
    inputs = chat.prompts([Turn(request.question, request.clips) for request in asked])
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=16, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    assert chat.decode(tokens) == texts(merged)


def test_what_vllm_does_not_serve_transformers_does(
    settings: Pipeline, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vllm = settings.model_copy(update={"engine": settings.engine.model_copy(update={"name": "vllm"})})
    if name in FAMILIES and FAMILIES[name].vllm:
        with open_engine(vllm) as engine:
            assert not isinstance(engine, TransformersEngine)
        assert not capsys.readouterr().err
        return
    assert isinstance(open_engine(vllm), TransformersEngine)
    assert f"does not serve {name} models yet: transformers answers instead" in capsys.readouterr().err


def refusal(processor: Any) -> str:
    with pytest.raises(UserError) as refused:
        complete(processor, SimpleNamespace(model_type="other"), "some/model")
    return str(refused.value)


def test_a_model_of_no_family_is_refused_with_the_reason_if_it_cannot_be_shown_videos() -> None:
    processor, _ = MAKERS["qwen2_vl"]()
    processor.chat_template = "{% for message in messages %}{{ message.content[-1].text }}{% endfor %}"
    assert "model 'some/model' (other): its chat template leaves videos out; give one" in refusal(processor)
    processor.chat_template = "{{ messages[0].content + '?' }}"
    assert "its chat template takes no lists of video and text (can only" in refusal(processor)
    processor.chat_template = None
    assert "its processor has no chat template" in refusal(processor)
    images = transformers.LlavaProcessor(transformers.CLIPImageProcessor(), processor.tokenizer)
    assert "its processor takes no videos" in refusal(images)
    assert "its processor takes no videos" in refusal(processor.tokenizer)


@pytest.mark.parametrize("name", [name for name in FAMILIES if not FAMILIES[name].lora], indirect=True, scope="module")
def test_adapters_that_vllm_has_not_are_asked_of_it_in_vain(settings: Pipeline) -> None:
    engine = settings.engine.model_copy(update={"options": {"enable_lora": True}})
    with pytest.raises(UserError, match="enable_lora: vLLM does not support LoRA for this model"):
        VllmSetup.of(settings.model_copy(update={"engine": engine})).llm_options(settings.model)


SERVED = [
    pytest.param(*(name, loaded), id=f"{name}, adapter {'loaded' if loaded else 'merged'}")
    for name, family in FAMILIES.items()
    for loaded in (True, False)
    if family.vllm
    and (family.lora or not loaded)
    and (name, loaded) != ("qwen3_vl_moe", True)  # vLLM's LoRA beside a mixture of experts needs a GPU
]


@pytest.mark.vllm
@pytest.mark.exhaustive  # the embedded model, a qwen3_vl, is in test_vllm.py
@pytest.mark.parametrize(("name", "loaded"), SERVED, indirect=["name"], scope="module")
def test_vllm_says_what_transformers_says(
    settings: Pipeline,
    reference: TransformersEngine,
    clips: list[Clip],
    adapter: Path,
    name: str,
    loaded: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    options = {"kv_cache_memory_bytes": 2**29, "enable_lora": loaded}
    engine = settings.engine.model_copy(update={"name": "vllm", "options": options})
    asked = [
        *requests(clips[:3]),
        Request(ASKED, clips[:2]),
        Request(ASKED, clips[2:0:-1]),
        Request("Who?", clips[3:5]),
    ]
    with open_engine(settings.model_copy(update={"engine": engine}), videos=2) as vllm:
        alone = said(vllm, None, asked)
        adapted = said(vllm, adapter, asked)
    assert alone == (known := said(reference, None, asked))
    assert cut_off(alone) == cut_off(known)
    assert adapted == said(reference, adapter, asked)
    assert alone != adapted
    assert ("merged into a copy" in capfd.readouterr().err) == (not FAMILIES[name].lora)
