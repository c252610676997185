"""The examples in the package's docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import leadhub.channels as package

MODULES = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
