"""Every example in a docstring runs as it stands."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import nimbus_sdk

# The reference core is a package of its own, tested with its sources.
APART = ("nimbus_sdk.reference_core", "nimbus_sdk.__main__")


def modules_with_examples():
    """The names of all modules that can be imported and have examples."""
    found = pkgutil.walk_packages(nimbus_sdk.__path__, "nimbus_sdk.")
    names = ["nimbus_sdk", *(one.name for one in found if not one.name.startswith(APART))]
    return [name for name in names if ">>> " in inspect.getsource(importlib.import_module(name))]


MODULES = modules_with_examples()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    """What a docstring shows is what happens."""
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_examples_are_found():
    """The search sees the whole package."""
    assert len(MODULES) > 30
