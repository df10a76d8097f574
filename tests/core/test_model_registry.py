"""The models that the service offers, and which of them a license covers."""

import pytest

from nimbus_sdk import errors
from nimbus_sdk.core.model_registry import covers
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_models_are_listed_and_filtered(sdk, key, monkeypatch):
    """All of them, or those of a paradigm or type."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    names = {model.name for model in sdk.list_available_models()}
    assert {
        "motor_imagery_4class_v1",
        "motor_imagery_2class_v1",
        "p300_binary_v1",
        "ssvep_multiclass_v1",
    } <= names
    assert {model.paradigm for model in sdk.list_available_models("p300")} == {"p300"}
    assert {model.type for model in sdk.list_available_models(model_type="NimbusLDA")} == {"NimbusLDA"}


def test_one_model_is_reported_by_its_name(sdk, key, monkeypatch):
    """What the registry says of it."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    model = sdk.get_model_info("motor_imagery_4class_v1")
    assert (model.n_features, model.n_classes, model.requires_license) == (16, 4, "free")
    assert model.checksum.startswith("sha256:")


def test_an_unknown_model_is_reported_with_those_that_exist(sdk, key, sandbox, monkeypatch):
    """A typing error is seen at once."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    with pytest.raises(errors.ConfigurationError, match="motor_imagery_5class") as caught:
        sdk.get_model_info("motor_imagery_5class")
    assert "motor_imagery_4class_v1" in caught.value.hint
    sandbox.fault("models", body={"models": [], "total": 0})
    with pytest.raises(errors.ConfigurationError) as caught:
        sdk.get_model_info("anything")
    assert "none" in caught.value.hint


@pytest.mark.parametrize(
    ("tier", "basic", "advanced"),
    [("free", True, False), ("trial", True, False), ("research", True, True), ("enterprise", True, True)],
)
def test_a_license_covers_models_of_its_tier(sdk, sandbox, tier, basic, advanced):
    """Free models for all, the others from research on."""
    sdk.authenticate(sandbox.new_key(tier))
    assert sdk.check_model_license_compatibility("motor_imagery_4class_v1") is basic
    assert sdk.check_model_license_compatibility("p300_binary_v1") is advanced


def test_without_a_session_no_license_can_be_compared(sdk, key, monkeypatch, asked):
    """The session is asked for first, so nothing is asked of the service."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    with pytest.raises(errors.SessionNotFoundError):
        sdk.check_model_license_compatibility("p300_binary_v1")
    assert asked() == []


def test_a_model_above_the_license_is_refused_as_such(sdk, key, sandbox, monkeypatch):
    """403 is a matter of the tier."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    sandbox.fault("models", status=403)
    with pytest.raises(errors.PermissionDeniedError) as caught:
        sdk.list_available_models()
    assert "tier" in caught.value.hint


@pytest.mark.parametrize("have", ["free", "trial", "research", "commercial", "enterprise"])
def test_tiers_are_ranked(have):
    """Every tier covers itself and what is below; an unknown one is left to the service."""
    order = ["free", "research", "commercial", "enterprise"]
    rank = order.index("free" if have == "trial" else have)
    assert [covers(have, need) for need in order] == [index <= rank for index in range(4)]
    assert covers(have, "of tomorrow")
    assert covers("of tomorrow", have)
