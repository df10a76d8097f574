"""What a strict type checker sees of the public surface. It is checked and never run."""

from datetime import datetime
from typing import assert_type

from pydantic import SecretStr

import nimbus_sdk
from nimbus_sdk import (
    ApiError,
    AsyncNimbusClient,
    AuthSession,
    InstallationStatus,
    KeyResolution,
    NimbusClient,
    ProgressEvent,
    QuotaStatus,
    RevocationResult,
    aio,
)
from nimbus_sdk.api.schemas import Entitlement, EventReceipt, GithubToken, Health, ModelInfo, Revocation


def calls() -> None:
    """The blocking calls."""
    assert_type(nimbus_sdk.install_core("nbci_live_…"), AuthSession)
    assert_type(nimbus_sdk.install_core(force=True, version="1.0", progress=True), AuthSession)
    assert_type(nimbus_sdk.authenticate(offline_mode=True, profile="lab", timeout=5.0), AuthSession)
    assert_type(nimbus_sdk.authenticate_from_storage(), AuthSession)
    assert_type(nimbus_sdk.current_session(), AuthSession)
    assert_type(nimbus_sdk.refresh_quota(), AuthSession)
    assert_type(nimbus_sdk.check_installation(), InstallationStatus)
    assert_type(nimbus_sdk.uninstall_core(), tuple[str, ...])
    assert_type(nimbus_sdk.explain(), KeyResolution)
    assert_type(nimbus_sdk.save_api_key("nbci_live_…"), str)
    assert_type(nimbus_sdk.get_stored_api_key(), str | None)
    assert_type(nimbus_sdk.delete_stored_api_key(), bool)
    assert_type(nimbus_sdk.check_quota_and_refresh(), bool)
    assert_type(nimbus_sdk.get_quota_status(), QuotaStatus)
    assert_type(nimbus_sdk.revoke_api_key(reason="lost"), RevocationResult)
    assert_type(nimbus_sdk.list_available_models("p300"), tuple[ModelInfo, ...])
    assert_type(nimbus_sdk.get_model_info("p300_binary_v1"), ModelInfo)
    assert_type(nimbus_sdk.check_model_license_compatibility("p300_binary_v1"), bool)
    assert_type(nimbus_sdk.__version__, str)


async def awaitable_calls() -> None:
    """Their twins."""
    assert_type(await aio.install_core("nbci_live_…", progress=print), AuthSession)
    assert_type(await aio.authenticate(), AuthSession)
    assert_type(await aio.authenticate_from_storage(), AuthSession)
    assert_type(await aio.current_session(profile="lab"), AuthSession)
    assert_type(await aio.refresh_quota(), AuthSession)
    assert_type(await aio.check_installation(), InstallationStatus)
    assert_type(await aio.uninstall_core(), tuple[str, ...])
    assert_type(await aio.explain(), KeyResolution)
    assert_type(await aio.save_api_key("nbci_live_…"), str)
    assert_type(await aio.get_stored_api_key(), str | None)
    assert_type(await aio.delete_stored_api_key(), bool)
    assert_type(await aio.check_quota_and_refresh(), bool)
    assert_type(await aio.get_quota_status(), QuotaStatus)
    assert_type(await aio.revoke_api_key(), RevocationResult)
    assert_type(await aio.list_available_models(), tuple[ModelInfo, ...])
    assert_type(await aio.get_model_info("p300_binary_v1"), ModelInfo)
    assert_type(await aio.check_model_license_compatibility("p300_binary_v1"), bool)
    assert_type(await nimbus_sdk.aio.current_session(), AuthSession)


def session_fields(session: AuthSession) -> None:
    """The session, as the documentation's examples use it."""
    assert_type(session.license_type, str)
    assert_type(session.features_enabled, frozenset[str])
    assert_type(session.expires_at, datetime | None)
    assert_type(session.usage_quota, int | None)
    assert_type(session.usage_quota_max, int | None)
    assert_type(session.quota_remaining, int | None)
    assert_type(session.quota_reset_at, datetime | None)
    assert_type(session.validated_at, datetime)
    assert_type(session.stale, bool)
    assert_type(session.user_id, str | None)
    assert_type(session.api_key, SecretStr)
    assert_type(session.has_feature("streaming"), bool)
    assert_type(session.is_expired(), bool)
    assert_type(session.refresh(), AuthSession)
    assert_type(session.to_dict(), dict[str, object])
    assert_type(session.to_json(), str)
    session.license_type = "enterprise"  # type: ignore[misc]


def results(status: InstallationStatus, quota: QuotaStatus, result: RevocationResult) -> None:
    """What the calls give."""
    assert_type(status.version, str | None)
    assert_type(status.problems, tuple[str, ...])
    assert_type(status.session, AuthSession | None)
    assert_type(quota.remaining, int | None)
    assert_type(quota.usage_percentage, float)
    assert_type(result.revoked, bool)


def clients(key: str) -> None:
    """The blocking client."""
    with NimbusClient(key, base_url="https://api.nimbusbci.com", timeout=5) as client:
        assert_type(client, NimbusClient)
        assert_type(client.validate(), Entitlement)
        assert_type(client.refresh(), Entitlement)
        assert_type(client.revoke("lost"), Revocation)
        assert_type(client.github_token(), GithubToken)
        assert_type(client.list_models(model_type="NimbusLDA"), tuple[ModelInfo, ...])
        assert_type(client.log_event("inference", inference_type="batch", duration_ms=2.5), EventReceipt)
        assert_type(client.health(), Health)
        client.log_event("telepathy")  # type: ignore[arg-type]
        client.log_event("inference", inference_type="dream")  # type: ignore[arg-type]


async def awaitable_clients(key: str) -> None:
    """The awaitable one."""
    async with AsyncNimbusClient(key) as client:
        assert_type(client, AsyncNimbusClient)
        assert_type(await client.validate(), Entitlement)
        assert_type(await client.refresh(), Entitlement)
        assert_type(await client.revoke(), Revocation)
        assert_type(await client.github_token(), GithubToken)
        assert_type(await client.list_models("p300"), tuple[ModelInfo, ...])
        assert_type(await client.log_event("error", error_message="x"), EventReceipt)
        assert_type(await client.health(), Health)


def show(event: ProgressEvent) -> None:
    """A function for progress."""
    assert_type(event.done, int | None)
    assert_type(event.message, str)


def handling() -> None:
    """Errors carry what a program asks for."""
    try:
        nimbus_sdk.install_core(progress=show)
    except ApiError as error:
        assert_type(error.status, int | None)
        assert_type(error.code, str | None)
        assert_type(error.retry_after, float | None)
        assert_type(error.hint, str)
        assert_type(error.exit_code, int)
    except nimbus_sdk.CoreIntegrityError as damage:
        assert_type(damage.issues, tuple[str, ...])
    except nimbus_sdk.FeatureNotLicensedError as missing:
        assert_type(missing.feature, str)
    except nimbus_sdk.NimbusConnectionError as lost:
        assert_type(lost.passing, bool)
