"""The functions of ``nimbus_sdk`` under the same names, awaitable; they run inside a notebook's loop too.

Examples:
    >>> from nimbus_sdk import aio
    >>> aio.install_core.__name__
    'install_core'
"""

from __future__ import annotations

from nimbus_sdk.account import quota, session, stored_keys
from nimbus_sdk.account.authentication import authenticate_async as authenticate
from nimbus_sdk.account.authentication import authenticate_from_storage_async as authenticate_from_storage
from nimbus_sdk.account.quota import check_quota_and_refresh_async as check_quota_and_refresh
from nimbus_sdk.account.quota import refresh_quota_async as refresh_quota
from nimbus_sdk.account.revocation import revoke_api_key_async as revoke_api_key
from nimbus_sdk.account.stored_keys import save_api_key_async as save_api_key
from nimbus_sdk.api.client import AsyncNimbusClient
from nimbus_sdk.core import installation_status
from nimbus_sdk.core.install import install_core_async as install_core
from nimbus_sdk.core.model_download import download_model_async as download_model
from nimbus_sdk.core.model_registry import (
    check_model_license_compatibility_async as check_model_license_compatibility,
)
from nimbus_sdk.core.model_registry import get_model_info_async as get_model_info
from nimbus_sdk.core.model_registry import list_available_models_async as list_available_models
from nimbus_sdk.core.uninstall import uninstall_core_async as uninstall_core
from nimbus_sdk.transport.sync_async import in_thread

check_installation = in_thread(installation_status.check_installation)
current_session = in_thread(session.current_session)
delete_stored_api_key = in_thread(stored_keys.delete_stored_api_key)
explain = in_thread(stored_keys.explain)
get_quota_status = in_thread(quota.get_quota_status)
get_stored_api_key = in_thread(stored_keys.get_stored_api_key)
invalidate_session = in_thread(session.invalidate_session)

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
