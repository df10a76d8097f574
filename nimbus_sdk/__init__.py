"""Python SDK of Nimbus BCI: one call installs the core, and everything works offline afterwards.

    >>> import nimbus_sdk
    >>> session = nimbus_sdk.install_core("nbci_live_…")  # doctest: +SKIP
    >>> model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")  # doctest: +SKIP

Public names are imported when they are first used, so that importing the SDK itself takes almost no time.
"""

from __future__ import annotations

import sys

# A part of Python that every process has loaded, under its usual name ``importlib.util``.
from _frozen_importlib_external import spec_from_file_location

from nimbus_sdk._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from nimbus_sdk import aio as aio
    from nimbus_sdk import errors as errors
    from nimbus_sdk import sandbox as sandbox
    from nimbus_sdk import services as services
    from nimbus_sdk.account.authentication import authenticate, authenticate_from_storage
    from nimbus_sdk.account.quota import (
        QuotaStatus,
        check_quota_and_refresh,
        get_quota_status,
        refresh_quota,
    )
    from nimbus_sdk.account.revocation import RevocationResult, revoke_api_key
    from nimbus_sdk.account.session import AuthSession, current_session, invalidate_session
    from nimbus_sdk.account.stored_keys import (
        delete_stored_api_key,
        explain,
        get_stored_api_key,
        save_api_key,
    )
    from nimbus_sdk.api.client import AsyncNimbusClient, NimbusClient
    from nimbus_sdk.core.install import install_core
    from nimbus_sdk.core.installation_status import InstallationStatus, check_installation
    from nimbus_sdk.core.model_download import download_model
    from nimbus_sdk.core.model_registry import (
        check_model_license_compatibility,
        get_model_info,
        list_available_models,
    )
    from nimbus_sdk.core.uninstall import uninstall_core
    from nimbus_sdk.display.progress import ProgressEvent
    from nimbus_sdk.errors import (
        ApiError,
        ClockRollbackError,
        ConfigurationError,
        CoreDownloadError,
        CoreError,
        CoreIncompatibleError,
        CoreInstallError,
        CoreIntegrityError,
        CoreNotInstalledError,
        CredentialStoreError,
        FeatureNotLicensedError,
        InvalidKeyError,
        InvalidKeyFormatError,
        KeyExpiredError,
        KeyNotFoundError,
        MethodNotAllowedError,
        MissingEventTypeError,
        MissingKeyError,
        NimbusConnectionError,
        NimbusError,
        NimbusTimeoutError,
        NotConfiguredError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        ResponseFormatError,
        ServerError,
        SessionError,
        SessionExpiredError,
        SessionNotFoundError,
        SessionTamperedError,
    )
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import (
        BatchResult,
        BCIData,
        BCIMetadata,
        ChunkResult,
        NimbusLDA,
        NimbusProbit,
        NimbusQDA,
        Pipeline,
        StreamingResult,
        StreamingSession,
        TrialQuality,
        assess_trial_quality,
        calculate_ITR,
        calibrate_model,
        calibrate_streaming,
        decode_stream,
        finalize_trial,
        init_streaming,
        load_model,
        predict_batch,
        process_chunk,
        save_model,
        should_stop,
        train_model,
    )
    from nimbus_sdk.storage.key_lookup import KeyResolution

    RxLDAModel = NimbusLDA
    RxGMMModel = NimbusQDA
    RxPolyaModel = NimbusProbit

_NAMES_BY_MODULE = {
    "nimbus_sdk.account.authentication": "authenticate authenticate_from_storage",
    "nimbus_sdk.account.quota": "QuotaStatus check_quota_and_refresh get_quota_status refresh_quota",
    "nimbus_sdk.core.model_registry": (
        "check_model_license_compatibility get_model_info list_available_models"
    ),
    "nimbus_sdk.api.client": "AsyncNimbusClient NimbusClient",
    "nimbus_sdk.errors": (
        "ApiError ClockRollbackError ConfigurationError CoreDownloadError CoreError CoreIncompatibleError "
        "CoreInstallError CoreIntegrityError CoreNotInstalledError CredentialStoreError "
        "FeatureNotLicensedError InvalidKeyError InvalidKeyFormatError KeyExpiredError KeyNotFoundError "
        "MethodNotAllowedError MissingEventTypeError MissingKeyError NimbusConnectionError NimbusError "
        "NimbusTimeoutError NotConfiguredError PermissionDeniedError QuotaExceededError RateLimitError "
        "ResponseFormatError ServerError SessionError SessionExpiredError SessionNotFoundError "
        "SessionTamperedError"
    ),
    "nimbus_sdk.core.install": "install_core",
    "nimbus_sdk.core.installation_status": "InstallationStatus check_installation",
    "nimbus_sdk.core.uninstall": "uninstall_core",
    "nimbus_sdk.core.model_download": "download_model",
    "nimbus_sdk.display.progress": "ProgressEvent",
    "nimbus_sdk.account.revocation": "RevocationResult revoke_api_key",
    "nimbus_sdk.account.session": "AuthSession current_session invalidate_session",
    "nimbus_sdk.storage.key_lookup": "KeyResolution",
    "nimbus_sdk.account.stored_keys": "delete_stored_api_key explain get_stored_api_key save_api_key",
}
_SUBMODULES = ("aio", "errors", "sandbox", "services")
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}

__all__ = [
    "ApiError",
    "AsyncNimbusClient",
    "AuthSession",
    "BCIData",
    "BCIMetadata",
    "BatchResult",
    "ChunkResult",
    "ClockRollbackError",
    "ConfigurationError",
    "CoreDownloadError",
    "CoreError",
    "CoreIncompatibleError",
    "CoreInstallError",
    "CoreIntegrityError",
    "CoreNotInstalledError",
    "CredentialStoreError",
    "FeatureNotLicensedError",
    "InstallationStatus",
    "InvalidKeyError",
    "InvalidKeyFormatError",
    "KeyExpiredError",
    "KeyNotFoundError",
    "KeyResolution",
    "MethodNotAllowedError",
    "MissingEventTypeError",
    "MissingKeyError",
    "NimbusClient",
    "NimbusConnectionError",
    "NimbusError",
    "NimbusLDA",
    "NimbusProbit",
    "NimbusQDA",
    "NimbusTimeoutError",
    "NotConfiguredError",
    "PermissionDeniedError",
    "Pipeline",
    "ProgressEvent",
    "QuotaExceededError",
    "QuotaStatus",
    "RateLimitError",
    "ResponseFormatError",
    "RevocationResult",
    "RxGMMModel",
    "RxLDAModel",
    "RxPolyaModel",
    "ServerError",
    "SessionError",
    "SessionExpiredError",
    "SessionNotFoundError",
    "SessionTamperedError",
    "StreamingResult",
    "StreamingSession",
    "TrialQuality",
    "__version__",
    "assess_trial_quality",
    "authenticate",
    "authenticate_from_storage",
    "calculate_ITR",
    "calibrate_model",
    "calibrate_streaming",
    "check_installation",
    "check_model_license_compatibility",
    "check_quota_and_refresh",
    "current_session",
    "decode_stream",
    "delete_stored_api_key",
    "download_model",
    "explain",
    "finalize_trial",
    "get_model_info",
    "get_quota_status",
    "get_stored_api_key",
    "init_streaming",
    "install_core",
    "invalidate_session",
    "list_available_models",
    "load_model",
    "predict_batch",
    "process_chunk",
    "refresh_quota",
    "revoke_api_key",
    "save_api_key",
    "save_model",
    "should_stop",
    "train_model",
    "uninstall_core",
]


def _resolve(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"nimbus_sdk.{name}")
    module = _MODULES.get(name)
    if module is not None:
        value: object = getattr(import_module(module), name)
    elif name in __all__:
        from nimbus_sdk.core.public_names import load_object
        from nimbus_sdk.errors import NimbusError

        try:
            value = load_object(name)
        except NimbusError:
            # Importing a name works before the core is installed; using it raises the error.
            from nimbus_sdk.core.placeholders import make_placeholder

            return make_placeholder(name)
    else:
        raise AttributeError(f"module 'nimbus_sdk' has no attribute {name!r}")
    globals()[name] = value
    return value


if not TYPE_CHECKING:
    # Hidden from type checkers, which would accept any misspelt name.
    __getattr__ = _resolve


class _CoreImportFinder:
    """Finds what becomes the core where the SDK is on the path but not installed, as in a checkout."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Python holds a lock meanwhile that every import needs: nothing may be imported or waited for here.
        if name != "nimbus_sdk_core":
            return None
        return spec_from_file_location(name, f"{__path__[0]}/core/import_name/nimbus_sdk_core.py")


sys.meta_path.append(_CoreImportFinder)


def __dir__() -> list[str]:
    own = {name for name in globals() if name.startswith("__")}
    return sorted({*own, *__all__, *_SUBMODULES})
