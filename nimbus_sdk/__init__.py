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

from nimbus_sdk._version import __version__ as __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from nimbus_sdk import aio as aio
    from nimbus_sdk import errors as errors
    from nimbus_sdk import sandbox as sandbox
    from nimbus_sdk import services as services
    from nimbus_sdk.account.operations import QuotaStatus as QuotaStatus
    from nimbus_sdk.account.operations import authenticate as authenticate
    from nimbus_sdk.account.operations import authenticate_from_storage as authenticate_from_storage
    from nimbus_sdk.account.operations import check_quota_and_refresh as check_quota_and_refresh
    from nimbus_sdk.account.operations import get_quota_status as get_quota_status
    from nimbus_sdk.account.operations import invalidate_session as invalidate_session
    from nimbus_sdk.account.operations import refresh_quota as refresh_quota
    from nimbus_sdk.account.revocation import RevocationResult as RevocationResult
    from nimbus_sdk.account.revocation import revoke_api_key as revoke_api_key
    from nimbus_sdk.account.session import AuthSession as AuthSession
    from nimbus_sdk.account.session import current_session as current_session
    from nimbus_sdk.account.stored_keys import delete_stored_api_key as delete_stored_api_key
    from nimbus_sdk.account.stored_keys import explain as explain
    from nimbus_sdk.account.stored_keys import get_stored_api_key as get_stored_api_key
    from nimbus_sdk.account.stored_keys import save_api_key as save_api_key
    from nimbus_sdk.api.client import AsyncNimbusClient as AsyncNimbusClient
    from nimbus_sdk.api.client import NimbusClient as NimbusClient
    from nimbus_sdk.core.install import install_core as install_core
    from nimbus_sdk.core.model_download import download_model as download_model
    from nimbus_sdk.core.model_registry import (
        check_model_license_compatibility as check_model_license_compatibility,
    )
    from nimbus_sdk.core.model_registry import get_model_info as get_model_info
    from nimbus_sdk.core.model_registry import list_available_models as list_available_models
    from nimbus_sdk.core.status import InstallationStatus as InstallationStatus
    from nimbus_sdk.core.status import check_installation as check_installation
    from nimbus_sdk.core.status import uninstall_core as uninstall_core
    from nimbus_sdk.display.progress import ProgressEvent as ProgressEvent
    from nimbus_sdk.errors import ApiError as ApiError
    from nimbus_sdk.errors import ClockRollbackError as ClockRollbackError
    from nimbus_sdk.errors import ConfigurationError as ConfigurationError
    from nimbus_sdk.errors import CoreDownloadError as CoreDownloadError
    from nimbus_sdk.errors import CoreError as CoreError
    from nimbus_sdk.errors import CoreIncompatibleError as CoreIncompatibleError
    from nimbus_sdk.errors import CoreInstallError as CoreInstallError
    from nimbus_sdk.errors import CoreIntegrityError as CoreIntegrityError
    from nimbus_sdk.errors import CoreNotInstalledError as CoreNotInstalledError
    from nimbus_sdk.errors import CredentialStoreError as CredentialStoreError
    from nimbus_sdk.errors import FeatureNotLicensedError as FeatureNotLicensedError
    from nimbus_sdk.errors import InvalidKeyError as InvalidKeyError
    from nimbus_sdk.errors import InvalidKeyFormatError as InvalidKeyFormatError
    from nimbus_sdk.errors import KeyExpiredError as KeyExpiredError
    from nimbus_sdk.errors import KeyNotFoundError as KeyNotFoundError
    from nimbus_sdk.errors import MethodNotAllowedError as MethodNotAllowedError
    from nimbus_sdk.errors import MissingEventTypeError as MissingEventTypeError
    from nimbus_sdk.errors import MissingKeyError as MissingKeyError
    from nimbus_sdk.errors import NimbusConnectionError as NimbusConnectionError
    from nimbus_sdk.errors import NimbusError as NimbusError
    from nimbus_sdk.errors import NimbusTimeoutError as NimbusTimeoutError
    from nimbus_sdk.errors import NotConfiguredError as NotConfiguredError
    from nimbus_sdk.errors import PermissionDeniedError as PermissionDeniedError
    from nimbus_sdk.errors import QuotaExceededError as QuotaExceededError
    from nimbus_sdk.errors import RateLimitError as RateLimitError
    from nimbus_sdk.errors import ResponseFormatError as ResponseFormatError
    from nimbus_sdk.errors import ServerError as ServerError
    from nimbus_sdk.errors import SessionError as SessionError
    from nimbus_sdk.errors import SessionExpiredError as SessionExpiredError
    from nimbus_sdk.errors import SessionNotFoundError as SessionNotFoundError
    from nimbus_sdk.errors import SessionTamperedError as SessionTamperedError
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import BatchResult as BatchResult
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import BCIData as BCIData
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import BCIMetadata as BCIMetadata
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import ChunkResult as ChunkResult
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import NimbusLDA as NimbusLDA
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import NimbusProbit as NimbusProbit
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import NimbusQDA as NimbusQDA
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import Pipeline as Pipeline
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import StreamingResult as StreamingResult
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import StreamingSession as StreamingSession
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import TrialQuality as TrialQuality
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import assess_trial_quality as assess_trial_quality
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import calculate_ITR as calculate_ITR
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import calibrate_model as calibrate_model
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import calibrate_streaming as calibrate_streaming
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import decode_stream as decode_stream
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import finalize_trial as finalize_trial
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import init_streaming as init_streaming
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import load_model as load_model
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import predict_batch as predict_batch
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import process_chunk as process_chunk
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import save_model as save_model
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import should_stop as should_stop
    from nimbus_sdk.reference_core.src.nimbus_sdk_core import train_model as train_model
    from nimbus_sdk.storage.key_lookup import KeyResolution as KeyResolution

    RxLDAModel = NimbusLDA
    RxGMMModel = NimbusQDA
    RxPolyaModel = NimbusProbit

_NAMES_BY_MODULE = {
    "nimbus_sdk.account.operations": (
        "QuotaStatus authenticate authenticate_from_storage check_quota_and_refresh get_quota_status "
        "invalidate_session refresh_quota"
    ),
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
    "nimbus_sdk.core.status": "InstallationStatus check_installation uninstall_core",
    "nimbus_sdk.core.model_download": "download_model",
    "nimbus_sdk.display.progress": "ProgressEvent",
    "nimbus_sdk.account.revocation": "RevocationResult revoke_api_key",
    "nimbus_sdk.account.session": "AuthSession current_session",
    "nimbus_sdk.storage.key_lookup": "KeyResolution",
    "nimbus_sdk.account.stored_keys": "delete_stored_api_key explain get_stored_api_key save_api_key",
}
_CORE_NAMES = (
    "BCIData BCIMetadata BatchResult ChunkResult NimbusLDA NimbusProbit NimbusQDA Pipeline RxGMMModel "
    "RxLDAModel RxPolyaModel StreamingResult StreamingSession TrialQuality assess_trial_quality "
    "calculate_ITR calibrate_model calibrate_streaming decode_stream finalize_trial init_streaming "
    "load_model predict_batch process_chunk save_model should_stop train_model"
)
_SUBMODULES = ("aio", "errors", "sandbox", "services")
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}

__all__ = sorted(["__version__", *_MODULES, *_CORE_NAMES.split()])


def _resolve(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"nimbus_sdk.{name}")
    module = _MODULES.get(name)
    if module is not None:
        value: object = getattr(import_module(module), name)
    elif name in __all__:
        from nimbus_sdk.core.names import load_object
        from nimbus_sdk.errors import NimbusError

        try:
            value = load_object(name)
        except NimbusError:
            # Importing a name works before the core is installed; using it raises the error.
            from nimbus_sdk.core.placeholders import make

            return make(name)
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
