"""The examples in the package's docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import leadhub.domain.normalisation as package

MODULES = [
    package.__name__,
    *(f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
