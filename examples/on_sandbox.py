"""An account on a sandbox, so that every example runs without a key of yours."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def sandbox_unless_key() -> Iterator[None]:
    """Give the block an account to work with.

    If ``NIMBUS_API_KEY`` is set, this does nothing: the block uses your key, the real API and your own
    folders. Otherwise a sandbox runs on this machine during the block, with a new research key in
    ``NIMBUS_API_KEY`` and a temporary folder in ``NIMBUS_SDK_HOME``; nothing of yours is touched.
    """
    if os.environ.get("NIMBUS_API_KEY"):
        yield
        return
    from nimbus_sdk.sandbox import Sandbox

    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as home:
        account = {
            "NIMBUS_API_KEY": sandbox.new_key("research"),
            "NIMBUS_SDK_HOME": home,
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
        }
        print("NIMBUS_API_KEY is not set, so this runs on a sandbox.")
        with patch.dict(os.environ, {**sandbox.environment(), **account}):
            yield
