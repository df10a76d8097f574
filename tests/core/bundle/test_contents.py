"""What was decrypted is read with care: whoever knows the passphrase can put anything inside."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.core.bundle.contents import Contents
from nimbus_sdk.errors import CoreIntegrityError
from tests.support.evidence import everything_in
from tests.support.sessions import made

SESSION = SessionRecord.from_dict(made().to_dict())
KEY = ApiKey.parse("nbci_test_" + "0123456789ab" * 4)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\1{", b"\0\0\0\2{}", b"\xff" * 8, b'\0\0\0\x0a{"key": 1}'])
def test_what_opens_and_is_no_bundle_is_refused(content):
    """Whoever knows the passphrase can put anything inside; none of it gets further."""
    written: list[bytes] = []
    with pytest.raises(CoreIntegrityError, match="does not contain core, session and key"):
        Contents.unpack([content], written.append)
    assert written == []


@pytest.mark.parametrize("step", [1, 3, 50, 10_000])
def test_what_was_packed_comes_back_in_any_parts(step):
    """Wherever the parts begin and end."""
    wheel = bytes(range(256)) * 20
    contents = Contents(KEY, SESSION, "core.whl", hashlib.sha256(wheel).hexdigest())
    packed = b"".join(contents.pack([wheel]))
    received = bytearray()
    parts = (packed[start : start + step] for start in range(0, len(packed), step))
    assert Contents.unpack(parts, received.extend) == contents
    assert received == wheel


def test_a_description_without_end_takes_no_memory():
    """What claims to be one is dropped as it arrives."""
    tracemalloc.start()
    try:
        with pytest.raises(CoreIntegrityError):
            Contents.unpack((b"\xff" * 2**18 for _ in range(256)), lambda part: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_no_key_hangs_on_an_error_of_the_source():
    """Not even in the frames of an error that comes after the description."""
    contents = Contents(KEY, SESSION, "core.whl", "00" * 32)

    def parts():
        yield contents.describe()
        raise CoreIntegrityError("changed")

    with pytest.raises(CoreIntegrityError, match="changed") as caught:
        Contents.unpack(parts(), lambda part: None)
    assert KEY.reveal() not in everything_in(caught.value)
