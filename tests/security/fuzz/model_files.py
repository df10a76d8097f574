"""The reference core's reader of model files; importing this brings the core into the process."""

from __future__ import annotations

import hashlib
import struct
import sys
from contextlib import suppress

from nimbus_sdk.sandbox.github.wheel_cache import REFERENCE_CORE

sys.path.append(str(REFERENCE_CORE / "src"))

from nimbus_sdk_core.errors import NimbusCoreError
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes

_PREFIX = struct.Struct("<8sIIQ")
_MAGIC = b"\x89NIMBUS\n"


def read(content: bytes, mark: bytes) -> None:
    """Read a model file, or one that is framed around what stands before and behind the mark.

    Only the core's own errors are let pass, and what was read must survive being written again.
    """
    header, found, payload = content.partition(mark)
    if found:
        body = _PREFIX.pack(_MAGIC, 1, len(header), len(payload)) + header + payload
        content = body + hashlib.sha256(body).digest()
    with suppress(NimbusCoreError):
        model = from_bytes(content)
        from_bytes(to_bytes(model))
