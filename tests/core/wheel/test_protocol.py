"""The protocol, the types that editors see, and the open reference core agree."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.core.wheel import protocol

OPTIONAL = {
    "save_model",
    "train_model",
    "calibrate_model",
    "calibrate_streaming",
    "init_streaming",
    "process_chunk",
    "finalize_trial",
    "should_stop",
    "decode_stream",
    "calculate_ITR",
    "assess_trial_quality",
    "NimbusQDA",
    "NimbusProbit",
    "Pipeline",
    "BatchResult",
    "ChunkResult",
    "StreamingResult",
    "StreamingSession",
    "TrialQuality",
}
REFERENCE = Path(nimbus_sdk.__file__).parent / "reference_core" / "src"


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


def test_the_names_of_the_protocol_are_the_public_names_that_come_from_a_core():
    """What a core offers is reached through nimbus_sdk, older names too, and nothing else comes from it."""
    offered = {*protocol.REQUIRED, *OPTIONAL, *protocol.ALIASES}
    assert offered == set(nimbus_sdk.__all__) - set(nimbus_sdk._MODULES)


def test_the_protocol_describes_every_name_as_required_or_optional():
    """Each name is in one part of the description, and aliases are of names that are described."""
    required, optional = (set(re.findall(r"``(\w+)", part)) for part in protocol.__doc__.split("Optional;"))
    assert set(protocol.REQUIRED) <= required
    assert optional >= OPTIONAL
    assert OPTIONAL.isdisjoint(required | set(protocol.REQUIRED))
    assert set(protocol.ALIASES.values()) <= {*protocol.REQUIRED, *OPTIONAL}


def test_the_reference_core_offers_what_is_required(reference):
    """The open core can be installed: it has every required name, under this version of the protocol."""
    assert [name for name in protocol.REQUIRED if not hasattr(reference, name)] == []
    assert reference.PROTOCOL_VERSION == protocol.PROTOCOL_VERSION


def test_type_checkers_know_every_name(reference):
    """Editors and type checkers see the reference core under `nimbus_sdk` and under the core's own name."""
    package = Path(nimbus_sdk.__file__).parent
    source = "nimbus_sdk.reference_core.src.nimbus_sdk_core"
    [block] = [
        node
        for node in ast.parse((package / "__init__.py").read_text("utf-8")).body
        if isinstance(node, ast.If)
    ][:1]
    imported = {
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module == source
        for alias in node.names
    }
    assert imported == {*protocol.REQUIRED, *OPTIONAL} - {"__version__"}
    stub = (package / "core" / "stubs" / "nimbus_sdk_core-stubs" / "__init__.pyi").read_text("utf-8")
    assert f"from {source} import *" in stub
    assert imported <= set(reference.__all__)
