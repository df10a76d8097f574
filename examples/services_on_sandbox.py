"""Runs the examples of the further services on a sandbox if you have no key yet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox


@contextmanager
def sandbox_unless(variable: str) -> Iterator[Sandbox | None]:
    """Run a sandbox with keys for the block, unless a variable is set.

    If it is set, the block uses your key, the real service and your own folders. Otherwise a sandbox runs on
    this machine during the block, with a key for each service in the environment and a temporary folder in
    ``NIMBUS_SDK_HOME``; nothing of yours is touched.
    """
    if os.environ.get(variable):
        yield None
        return
    from nimbus_sdk.sandbox import Sandbox

    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as home:
        account = {
            "NIMBUS_OS_SANDBOX_URL": sandbox.nimbus_os_url(),
            "NIMBUS_OS_API_KEY": sandbox.new_nimbus_os_key(),
            "NEUROAI_URL": sandbox.neuroai_url,
            "NEUROAI_API_KEY": sandbox.new_neuroai_key(),
            "NEXUS_URL": sandbox.nexus_url,
            "NEXUS_API_KEY": sandbox.new_nexus_key(),
            "NIMBUS_SDK_HOME": home,
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
        }
        print(f"{variable} is not set, so this runs on a sandbox.")
        with patch.dict(os.environ, account):
            yield sandbox
