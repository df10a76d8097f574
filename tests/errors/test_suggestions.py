"""A misspelt word names the one that was meant, wherever the SDK has a set of words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.services import NimbusOS


@pytest.mark.parametrize(
    ("use", "meant"),
    [
        (lambda sandbox: sandbox.fault("Validat", status=500), "validate"),
        (lambda sandbox: sandbox.fault("github-token", status=500), "github_token"),
        (lambda sandbox: sandbox.fault("analitycs", status=500), "analytics"),
        (lambda sandbox: sandbox.fault("health", reset="before head"), "before_head"),
        (lambda sandbox: sandbox.new_key("Comercial"), "commercial"),
        (lambda sandbox: sandbox.new_key("free", block_when_exhausted=["Analytic"]), "analytics"),
        (lambda sandbox: sandbox.new_nimbus_os_key(environment="prod"), "production"),
        (lambda sandbox: NimbusOS(environment="Sand-Box"), "sandbox"),
        (lambda sandbox: Settings.load(environ={"NIMBUS_SDK_CREDENTIAL_STORE": "keyrings"}), "keyring"),
        (lambda sandbox: nimbus_sdk.list_available_models("motor imagery"), "motor_imagery"),
        (lambda sandbox: nimbus_sdk.list_available_models(model_type="lda"), "NimbusLDA"),
        (lambda sandbox: nimbus_sdk.get_model_info("p300-binary"), "p300_binary_v1"),
        (lambda sandbox: nimbus_sdk.authenticate().require_feature("trainng"), "training"),
    ],
)
def test_a_misspelt_word_names_the_one_that_was_meant(
    sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[Sandbox], object], meant: str
) -> None:
    """Capitals, hyphens, missing letters and parts of a word are recognized."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    with pytest.raises(NimbusError) as raised:
        use(sandbox)
    assert f"Did you mean {meant!r}?" in raised.value.hint


def test_a_word_that_is_like_none_lists_them(sandbox: Sandbox) -> None:
    """What looks like nothing that is known is answered with what is known, and with no guess."""
    with pytest.raises(NimbusError) as raised:
        sandbox.fault("auth", status=500)
    assert raised.value.hint.startswith("Use one of validate, refresh, ")


def test_a_word_that_the_service_may_know_is_asked_for(
    sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that is unlike every known word finds nothing and is no error."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert nimbus_sdk.list_available_models("speech") == ()
