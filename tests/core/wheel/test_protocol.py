"""The protocol, its typed signatures and the open reference core agree."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.core.wheel import protocol

SURFACE = Path(nimbus_sdk.__file__).parent / "core" / "surface.pyi"
REFERENCE = Path(nimbus_sdk.__file__).parent / "reference_core" / "src"


def stubbed() -> dict[str, ast.stmt]:
    """What the stub declares, by name; of overloads the last."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(SURFACE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign):
            found[ast.unparse(node.target)] = node
    return found


def parameters(node: ast.FunctionDef) -> list[tuple[str, str, str | None]]:
    """Name, kind and default of each parameter in the stub, without ``self``."""
    plain = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(plain) - len(node.args.defaults)) + [
        ast.unparse(value) for value in node.args.defaults
    ]
    found = [(name.arg, "plain", default) for name, default in zip(plain, defaults, strict=True)]
    for name, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        found.append((name.arg, "keyword", None if default is None else ast.unparse(default)))
    if node.args.kwarg is not None:
        found.append((node.args.kwarg.arg, "rest", None))
    return [entry for entry in found if entry[0] not in ("self", "cls")]


def signature(thing: object) -> list[tuple[str, str, str | None]]:
    """The same of a real object."""
    kinds = {
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "plain",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
        inspect.Parameter.VAR_KEYWORD: "rest",
    }
    return [
        (
            name,
            kinds[entry.kind],  # type: ignore[index]
            None
            if entry.default is entry.empty
            else ast.unparse(ast.parse(repr(entry.default), mode="eval")),
        )
        for name, entry in inspect.signature(thing).parameters.items()
        if name != "self"
    ]


@pytest.fixture(scope="module")
def reference():
    """The open reference core, from its sources."""
    sys.path.insert(0, str(REFERENCE))
    try:
        import nimbus_sdk_core
    finally:
        sys.path.remove(str(REFERENCE))
    yield nimbus_sdk_core
    for name in [name for name in sys.modules if name.partition(".")[0] == "nimbus_sdk_core"]:
        del sys.modules[name]


def test_every_name_of_the_protocol_has_a_signature():
    """Editors and type checkers know each name that a core offers."""
    assert set(protocol.REQUIRED) | set(protocol.OPTIONAL) <= set(stubbed())


def test_the_names_of_the_protocol_are_the_public_names_that_come_from_a_core():
    """What a core offers is reached through nimbus_sdk, older names too, and nothing else comes from it."""
    offered = {*protocol.REQUIRED, *protocol.OPTIONAL, *protocol.ALIASES}
    assert offered == set(nimbus_sdk.__all__) - set(nimbus_sdk._MODULES)


def test_no_name_is_required_and_optional():
    """Each name is in one list, once, and aliases stand for names that are in one."""
    names = [*protocol.REQUIRED, *protocol.OPTIONAL]
    assert len(names) == len(set(names))
    assert set(protocol.ALIASES.values()) <= set(names)


def test_the_reference_core_offers_what_is_required(reference):
    """The open core can be installed: it has every required name, under this version of the protocol."""
    assert [name for name in protocol.REQUIRED if not hasattr(reference, name)] == []
    assert reference.PROTOCOL_VERSION == protocol.PROTOCOL_VERSION


def test_parameters_agree_with_the_reference_core(reference):
    """Names, kinds and defaults of parameters are the same in the stub and in the open core."""
    compared = 0
    for name, node in stubbed().items():
        thing = getattr(reference, name, None)
        if thing is None or isinstance(node, ast.AnnAssign) or name.startswith("_"):
            continue
        if isinstance(node, ast.FunctionDef):
            assert parameters(node) == signature(thing), name
            compared += 1
            continue
        for method in node.body:  # type: ignore[attr-defined]
            if not isinstance(method, ast.FunctionDef) or inspect.isdatadescriptor(
                getattr(thing, method.name)
            ):
                continue
            real = thing if method.name == "__init__" else getattr(thing, method.name)
            assert parameters(method) == signature(real), f"{name}.{method.name}"
            compared += 1
    assert compared >= 10


def test_attributes_agree_with_the_reference_core(reference):
    """Fields that the stub promises are there."""
    from dataclasses import fields, is_dataclass

    compared = 0
    for name, node in stubbed().items():
        thing = getattr(reference, name, None)
        if not isinstance(node, ast.ClassDef) or not is_dataclass(thing):
            continue
        promised = {ast.unparse(line.target) for line in node.body if isinstance(line, ast.AnnAssign)}
        assert promised == {field.name for field in fields(thing)}, name
        compared += 1
    assert compared >= 4
