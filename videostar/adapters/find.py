"""Adapters by name: built in, a user's file, or an entry point."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Collection
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from videostar.adapters.adapter import LabelAdapter
from videostar.adapters.distractors import Distractors
from videostar.adapters.kinds import KindAdapter
from videostar.adapters.paper import TASKS
from videostar.labels import KINDS
from videostar.util.errors import UserError


def load_adapter(name: str, named: Collection[str] = (), distractors: Distractors | None = None) -> LabelAdapter:
    """The adapter called `name`: a kind, a task, `file.py:Class` or an entry point.

    `named` are the columns that the user mapped, which the adapter of a kind then reads whatever their names;
    `distractors` are for choices. The code of a file is run: give only one that you have read. Raises UserError if
    there is none, with the nearest name.
    """
    if ".py" in name:
        return _made(_from_file(name), name)
    if name in TASKS:
        return TASKS[name]()
    if name in KINDS:
        return KindAdapter(name, named, distractors)
    plugged = {point.name: point for point in entry_points(group="videostar.adapters")}
    if name in plugged:
        try:
            return _made(plugged[name].load(), name)
        except (ImportError, AttributeError) as error:
            raise UserError(f"adapter {name!r}: its entry point cannot be loaded: {error}") from None
    known = [*TASKS, *KINDS, *plugged]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise UserError(f"adapter: no {name!r}; {hint}; for your own write path/to/file.py:Class")


def adapter_folder(adapter: LabelAdapter) -> Path | None:
    """The folder of a user's adapter, where its prompts may lie; None for those that come with videostar."""
    module = sys.modules[type(adapter).__module__]
    return Path(module.__file__).parent if module.__file__ and not module.__name__.startswith("videostar.") else None


def _from_file(name: str) -> Any:
    file, colon, class_name = name.rpartition(":")
    if not colon:
        raise UserError(f"adapter {name}: write path/to/file.py:Class")
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise UserError(f"adapter {name}: {path}: no such file; give the path of a Python file")
    module = _run(path)
    if not hasattr(module, class_name):
        classes = [key for key, value in vars(module).items() if isinstance(value, type) and value is not LabelAdapter]
        near = difflib.get_close_matches(class_name, classes, n=1, cutoff=0.4) or classes
        raise UserError(f"adapter {name}: no class {class_name!r} in it; there is {', '.join(near) or 'none'}")
    return getattr(module, class_name)


def _run(path: Path) -> ModuleType:
    """The module of a user's file. Its name is its path, which hides no other module."""
    title = str(path)
    spec = importlib.util.spec_from_file_location(title, path)
    if spec is None or spec.loader is None:
        raise UserError(f"adapter {path}: is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001  (a user's own code: its error becomes one line)
        raise UserError(f"adapter {path}: {type(error).__name__}: {error}") from None
    return module


def _made(found: Any, name: str) -> LabelAdapter:
    if not (isinstance(found, type) and issubclass(found, LabelAdapter)):
        raise UserError(f"adapter {name}: is no class of videostar.LabelAdapter; derive it from that")
    if inspect.isabstract(found):
        raise UserError(f"adapter {name}: has no `label`; write a method label(self, row) that returns a label object")
    if not isinstance(getattr(found, "prompts", None), str):
        raise UserError(f"adapter {name}: has no `prompts`; name a file of prompts, such as prompts = 'score'")
    return found()
