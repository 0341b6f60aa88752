"""The examples in docstrings are true."""

import doctest
import inspect
import pkgutil
from importlib import import_module

import pytest

PACKAGES = [f"videostar.{name}" for name in ("labels", "video", "data.formats")]
MODULES = PACKAGES + [
    module.name
    for package in map(import_module, PACKAGES)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", [name for name in MODULES if ">>>" in inspect.getsource(import_module(name))])
def test_examples(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert found.failed == 0
