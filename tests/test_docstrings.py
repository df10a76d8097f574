"""Every example in a docstring runs as it stands."""

import doctest
import importlib
import pkgutil

import pytest

import nimbus_sdk

# The reference core is a package of its own, tested with its sources.
APART = ("nimbus_sdk.reference_core",)


def modules():
    """The names of all modules that can be imported."""
    found = pkgutil.walk_packages(nimbus_sdk.__path__, "nimbus_sdk.")
    return [
        "nimbus_sdk",
        *(one.name for one in found if not one.name.startswith(APART) and "__main__" not in one.name),
    ]


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name):
    """What a docstring shows is what happens."""
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_examples_are_found():
    """The search sees the whole package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [one for name in modules() for one in finder.find(importlib.import_module(name)) if one.examples]
    assert len(found) > 40
