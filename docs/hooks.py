"""For mkdocs: the tables of `docs/settings.md`, made from `videostar/config/`. Loads no torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from videostar.config import Cache, Data, Engine, Evaluation, Generation, Pipeline, Stop, Video
from videostar.config.executor import Executor
from videostar.config.gates import Gates
from videostar.config.training import Mix, Training
from videostar.config.verification import Evidence, JudgeServer, Verification

_SECTIONS = {"data": Data, "video": Video, "generation": Generation, "verification": Verification}
_SECTIONS |= {"verification.evidence": Evidence, "judge": JudgeServer}
_SECTIONS |= {"training": Training, "mix": Mix, "engine": Engine, "evaluation": Evaluation}
_SECTIONS |= {"executor": Executor, "gates": Gates, "stop": Stop, "cache": Cache}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    return markdown.replace("<!-- settings -->", _tables()) if "<!-- settings -->" in markdown else markdown


def _tables() -> str:
    parts = [f"## The whole run\n\n{_table(Pipeline, '', skip=_SECTIONS)}"]
    for name, model in _SECTIONS.items():
        parts.append(f"## {name}\n\n{model.__doc__}\n\n{_table(model, f'{name}.')}")
    return "\n\n".join(parts)


def _table(model: type[BaseModel], prefix: str, skip: Any = ()) -> str:
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in skip:
            default = "required" if field.default is PydanticUndefined else f"`{_plain(field.default)}`"
            lines.append(f"| `{prefix}{name}` | {default} | {(field.description or '').replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    named = {None: "null", True: "true", False: "false"}
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return named[value] if value is None or isinstance(value, bool) else str(value)
