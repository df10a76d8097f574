"""What was decrypted is read with care: whoever knows the passphrase can put anything inside."""

from __future__ import annotations

import pytest

from nimbus_sdk.core.bundle.contents import Contents
from nimbus_sdk.errors import CoreIntegrityError


@pytest.mark.parametrize("content", [b"", b"\0\0\0\1{", b"\0\0\0\2{}", b"\xff" * 8, b'\0\0\0\x0a{"key": 1}'])
def test_what_opens_and_is_no_bundle_is_refused(content):
    """Whoever knows the passphrase can put anything inside; none of it gets further."""
    with pytest.raises(CoreIntegrityError, match="does not contain core, session and key"):
        Contents.unpack(content)
