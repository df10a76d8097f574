"""The public results in print() and in a notebook: readable lines and tables."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

import nimbus_sdk
from nimbus_sdk.api.schemas import ModelInfo, Models
from nimbus_sdk.core.installation_status import InstallationStatus
from nimbus_sdk.display import tables
from nimbus_sdk.display.tables import Look, format_fields, format_table
from nimbus_sdk.doctor import Diagnosis, Finding
from nimbus_sdk.storage.key_lookup import KeyResolution, SourceReport

HOSTILE = "<script>alert(1)</script>"
MODEL = ModelInfo(
    name="p300_binary_v1",
    version="1.0.0",
    type="NimbusQDA",
    paradigm="p300",
    n_features=8,
    n_classes=2,
    size_mb=0.002,
    download_url="https://api.nimbusbci.com/v1/models/p300_binary_v1/download",
    checksum=f"sha256:{'0' * 64}",
    requires_license="research",
    metadata={"sampling_rate": 128.0, "class_names": ["non_target", HOSTILE]},
)
FOUND = SourceReport(source="environment", location=HOSTILE, state="found", key_masked="nbci_test_0123…89ab")
ABSENT = SourceReport(source="argument", location="the argument", state="absent")
RESULTS = [
    InstallationStatus(True, "0.1.0", "/lib/core", None, (HOSTILE,)),
    KeyResolution((ABSENT, FOUND)),
    MODEL,
    Models((MODEL, MODEL.model_copy(update={"name": HOSTILE}))),
    Diagnosis((Finding("dns", "warning", HOSTILE, "Check it."),), True, datetime.now(UTC)),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_prints_line_by_line(result):
    """Several lines, none of them a dump of the class."""
    text = str(result)
    assert len(text.splitlines()) > 1
    assert max(map(len, text.splitlines())) < 120
    assert f"{type(result).__name__}(" not in text
    assert HOSTILE in text


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_notebook_gets_a_table_in_which_every_value_is_escaped(result):
    """Text from a service or a path is never HTML."""
    html = result._repr_html_()
    assert html.startswith("<table><caption style='text-align:left'>Nimbus ")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_what_few_people_want_is_folded():
    """Raw fields follow the short table, folded, and without any script, which front ends remove."""
    html = tables.fields_html("T", [("license", "<b>")], [("key_fingerprint", "<i>")])
    short, folded = html.split("<details><summary>All fields</summary>")
    assert "&lt;b&gt;" in short
    assert "&lt;i&gt;" in folded
    assert "details" not in tables.table_html("T", ["name"], [["x"]])
    with_more = tables.table_html("T", ["name"], [["x"]], ["checksum"], [["y"]])
    assert "checksum" in with_more.split("<details>")[1]


def test_an_installation_says_what_is_wrong_and_what_to_do():
    """With the advice of the error, if there is a fault."""
    problems = ("a.py: changed", "b.py: missing")
    text = str(InstallationStatus(True, "0.1.0", "/lib/core", None, problems, "Install it again."))
    assert text.splitlines() == [
        "Nimbus core: not usable",
        "  version  0.1.0",
        "  path     /lib/core",
        "  session  -",
        "  problem  a.py: changed",
        "  problem  b.py: missing",
        "  to do    Install it again.",
    ]
    assert "to do    Run nimbus_sdk.install_core(" in str(nimbus_sdk.check_installation())
    assert "to do" not in str(InstallationStatus(True, "0.1.0", "/lib/core", None, ()))


def test_the_sources_of_the_key_are_a_table_below_the_one_in_use():
    """The key in use and its source, then every source; all keys are masked."""
    lines = str(KeyResolution((ABSENT, FOUND))).splitlines()
    assert lines[0] == f"Nimbus API key: nbci_test_0123…89ab from {HOSTILE}"
    assert [line.split()[0] for line in lines[1:]] == ["state", "absent", "found"]
    assert str(KeyResolution((ABSENT,))).startswith("Nimbus API key: none was found\n")


def test_the_list_of_models_is_a_tuple_that_prints_as_a_table(sandbox, key, monkeypatch):
    """One line for each model; all that a tuple can do it does."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    found = nimbus_sdk.list_available_models()
    assert isinstance(found, tuple)
    assert pickle.loads(pickle.dumps(found)) == found == tuple(found)
    lines = str(found).splitlines()
    assert lines[0].split() == ["name", "type", "paradigm", "features", "classes", "license"]
    assert [line.split()[0] for line in lines[1:]] == [model.name for model in found]
    assert max(map(len, lines)) <= 80
    assert str(nimbus_sdk.list_available_models("no_such_paradigm")) == "No model."


def test_a_table_fits_a_narrow_terminal():
    """Long texts are folded, words stay whole, and numbers are aligned to the right."""
    rows = [("motor_imagery_4class_v1", 12, "the core is not installed"), ("p300_binary_v1", 1234, "ready")]
    assert format_table(("name", "used", "state of it"), rows, Look(44)).splitlines() == [
        "name                      used  state of it",
        "motor_imagery_4class_v1     12  the core is",
        "                                not",
        "                                installed",
        "p300_binary_v1           1,234  ready",
    ]


def test_a_table_too_wide_for_a_terminal_becomes_paragraphs():
    """A row is a paragraph with a line for each value, and no word is cut."""
    rows = [("motor_imagery_4class_v1", "nobody knows"), ("p300_binary_v1", None)]
    assert format_table(("name", "why"), rows, Look(26)).splitlines() == [
        "name",
        "  motor_imagery_4class_v1",
        "why   nobody knows",
        "",
        "name  p300_binary_v1",
        "why   -",
    ]


def test_values_are_folded_beside_their_names():
    """The lines of a long value begin below each other; a path is folded behind a separator."""
    rows = [("core path", "/srv/nimbus/data/core/0.1.0/20261130T070302"), ("stale", False)]
    assert format_fields("Core", rows, Look(32)).splitlines() == [
        "Core",
        "  core path  /srv/nimbus/data/",
        "             core/0.1.0/",
        "             20261130T070302",
        "  stale      no",
    ]


def test_a_value_that_cannot_be_folded_has_lines_of_its_own():
    """A checksum stays in one piece, to be copied, and fits the terminal."""
    digest = "sha256:" + "0123abcd" * 4
    assert format_fields("", [("checksum", digest), ("size", 3)], Look(44)).splitlines() == [
        "checksum",
        f"  {digest}",
        "size      3",
    ]


def test_styles_are_added_to_aligned_text():
    """Escape codes take no room."""
    shout = format_table(("a", "b"), [("yes", "no")], Look(name=str.upper, value=str.upper))
    assert shout.splitlines() == ["A    B", "YES  NO"]
    fields = format_fields("", [("key", "found"), ("note", None)], Look(name=str.upper, value=str.title))
    assert fields.splitlines() == ["KEY   Found", "NOTE  -"]
