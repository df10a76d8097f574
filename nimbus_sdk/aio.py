"""The calls of :mod:`nimbus_sdk` under the same names, awaitable; they run inside a notebook's loop too.

Example:
    >>> from nimbus_sdk import aio
    >>> aio.install_core.__name__
    'install_core_async'
"""

from __future__ import annotations

from nimbus_sdk.account.operations import authenticate_async as authenticate
from nimbus_sdk.account.operations import authenticate_from_storage_async as authenticate_from_storage
from nimbus_sdk.account.operations import check_quota_and_refresh_async as check_quota_and_refresh
from nimbus_sdk.account.operations import current_session_async as current_session
from nimbus_sdk.account.operations import get_quota_status_async as get_quota_status
from nimbus_sdk.account.operations import invalidate_session_async as invalidate_session
from nimbus_sdk.account.operations import refresh_quota_async as refresh_quota
from nimbus_sdk.account.revocation import revoke_api_key_async as revoke_api_key
from nimbus_sdk.account.stored_keys import delete_stored_api_key_async as delete_stored_api_key
from nimbus_sdk.account.stored_keys import explain_async as explain
from nimbus_sdk.account.stored_keys import get_stored_api_key_async as get_stored_api_key
from nimbus_sdk.account.stored_keys import save_api_key_async as save_api_key
from nimbus_sdk.api.client import AsyncNimbusClient
from nimbus_sdk.core.install import install_core_async as install_core
from nimbus_sdk.core.model_download import download_model_async as download_model
from nimbus_sdk.core.model_registry import (
    check_model_license_compatibility_async as check_model_license_compatibility,
)
from nimbus_sdk.core.model_registry import get_model_info_async as get_model_info
from nimbus_sdk.core.model_registry import list_available_models_async as list_available_models
from nimbus_sdk.core.status import check_installation_async as check_installation
from nimbus_sdk.core.status import uninstall_core_async as uninstall_core

__all__ = [
    "AsyncNimbusClient",
    "authenticate",
    "authenticate_from_storage",
    "check_installation",
    "check_model_license_compatibility",
    "check_quota_and_refresh",
    "current_session",
    "delete_stored_api_key",
    "download_model",
    "explain",
    "get_model_info",
    "get_quota_status",
    "get_stored_api_key",
    "install_core",
    "invalidate_session",
    "list_available_models",
    "refresh_quota",
    "revoke_api_key",
    "save_api_key",
    "uninstall_core",
]
