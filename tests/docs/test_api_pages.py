"""The API pages describe every public name."""

from __future__ import annotations

import ast
import re
from collections import Counter

import nimbus_sdk
from nimbus_sdk import errors, services
from tests.docs.pages import ROOT

PAGES = ROOT / "docs" / "reference" / "api"
CORE = ROOT / "nimbus_sdk" / "reference_core" / "src" / "nimbus_sdk_core" / "__init__.py"
OLDER_NAMES = {"RxGMMModel", "RxLDAModel", "RxPolyaModel"}
CONSTANTS = {"KEEP", "PROTOCOL_VERSION", "__version__"}
_DIRECTIVE = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def _names_of_core() -> set[str]:
    [names] = [
        node.value
        for node in ast.parse(CORE.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return set(ast.literal_eval(names))


def test_every_public_name_is_described_once() -> None:
    """A user finds each name of the SDK, its services and the core on exactly one page."""
    paths = [path for page in PAGES.glob("*.md") for path in _DIRECTIVE.findall(page.read_text("utf-8"))]
    described = Counter(path.rpartition(".")[2] for path in paths)
    assert {name for name, count in described.items() if count > 1} == set()
    assert "nimbus_sdk.errors" in paths
    public = {*nimbus_sdk.__all__, *services.__all__, *_names_of_core()} - OLDER_NAMES - CONSTANTS
    missing = {name for name in public - set(described) if not hasattr(errors, name)}
    assert missing == set(), "add a line `::: module.name` to a page in docs/reference/api"
