"""The examples in docstrings are true."""

import doctest
import pkgutil
from importlib import import_module

import pytest

PACKAGES = [f"videostar.{name}" for name in ("labels", "video", "data.formats")]
MODULES = PACKAGES + [
    module.name
    for package in map(import_module, PACKAGES)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
