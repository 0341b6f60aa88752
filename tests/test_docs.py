"""The documents quote what the code says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGE = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = [text for text in re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL) if not text.startswith("torch.")]


@cache
def texts() -> str:
    """Every text in the package's code, each on a line of its own."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (CHECKOUT / "videostar").rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("message", MESSAGES)
def test_the_messages_of_troubleshooting_are_those_of_the_code(message: str) -> None:
    parts = [part.strip(" `()") for part in message.split("...")]
    assert [part for part in parts if part not in texts()] == []
