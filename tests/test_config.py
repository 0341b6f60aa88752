"""Pipelines: shipped ones are right, extensions merge, and mistakes name the key and the nearest one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from videostar.adapters.prompts import load_prompts
from videostar.config import Pipeline
from videostar.data.manifest import find_manifest
from videostar.pipeline_files import load_pipeline
from videostar.util.errors import UserError
from videostar.util.resources import resource_names
from videostar.util.yaml_files import validate


@pytest.mark.parametrize("name", resource_names("pipelines"))
def test_shipped_pipelines_are_valid(name: str) -> None:
    settings = load_pipeline(name)
    find_manifest(settings.data.name)


@pytest.mark.parametrize("name", resource_names("prompts"))
def test_shipped_prompts_are_valid(name: str) -> None:
    prompts = load_prompts(name)
    assert len(prompts.questions) >= 3


def test_the_ablations_differ_from_the_demo_only_where_they_say() -> None:
    demo = load_pipeline("demo").model_dump()
    ablations = [name for name in resource_names("pipelines") if name.startswith("ablations/")]
    assert ablations
    for name in ablations:
        other = load_pipeline(name).model_dump()
        differs = len([key for key in demo if demo[key] != other[key]])
        assert differs == (3 if name == "ablations/dpo" else 1), name
    preferring, sampled = (load_pipeline(f"ablations/{name}") for name in ("dpo", "sft_samples"))
    assert preferring.generation == sampled.generation


def test_an_extension_changes_only_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: demo\ntraining: {rank: 8}\n")
    mine, demo = load_pipeline(str(tmp_path / "mine.yaml")), load_pipeline("demo")
    assert mine.training.rank == 8
    assert mine.training.model_copy(update={"rank": demo.training.rank}) == demo.training
    assert mine.video == demo.video


def test_a_pipeline_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_pipeline(str(tmp_path / "a.yaml"))


def test_overrides_by_dotted_name() -> None:
    settings = load_pipeline("demo", rounds=5, settings=["training.rank=8", "mix=null", "generation.answers=[direct]"])
    assert (settings.rounds, settings.training.rank, settings.mix) == (5, 8, None)
    assert settings.generation.answers == ("direct",)


def test_settings_survive_their_own_yaml() -> None:
    settings = load_pipeline("demo")
    again = yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json")))
    assert validate(again, Pipeline, "again") == settings


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*Pipeline.model_fields, "rouds", "engin"]) | st.text(max_size=8)


@given(st.dictionaries(keys, values, max_size=4))
def test_any_mapping_at_all_is_a_pipeline_or_one_clear_line(data: dict[str, object]) -> None:
    said = ""
    try:
        validate(data, Pipeline, "x.yaml")
    except UserError as error:
        said = str(error)
    assert said == "" or said.startswith("x.yaml: ")
    assert "\n" not in said


@given(st.text(max_size=30))
def test_a_label_reaches_the_prompt_as_text(label: str) -> None:
    prompts = load_prompts("action")
    nasty = f"{{{{ question }}}} {label} {{% if %}}"
    for form in (*prompts.rationalise, prompts.template):
        assert nasty in prompts.render(form, {"question": "Which?", "label": nasty})


def test_a_broken_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump({"questions": ["a"], "rationalise": ["{{ label"], "template": "{{ label }}"})
    )
    with pytest.raises(UserError, match=r"'{{ label': .*write names as {{ label }}"):
        load_prompts(str(tmp_path / "p.yaml"))


def test_a_key_with_a_line_break_is_one_line_too() -> None:
    with pytest.raises(UserError) as wrong:
        validate({"columns": {"\n": False}}, Pipeline, "x.yaml")
    assert str(wrong.value).startswith("x.yaml: columns.\\n: ")
    assert "\n" not in str(wrong.value)
