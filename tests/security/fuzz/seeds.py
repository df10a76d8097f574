"""What a fuzzer starts from: for each reader some valid input."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.sandbox.github.wheel_cache import REFERENCE_CORE
from nimbus_sdk.storage import sealed, trust
from tests.security.fuzz.readers import INFO, MARK
from tests.support.wheels import make_wheel, wheel_files

CASES = Path(__file__).parent / "cases"
KEY = "nbci_test_" + "0123456789ab" * 4
QUOTA = {"monthly_limit": 50000, "used": 1, "remaining": 49999, "resets_at": "2030-01-01T00:00:00Z"}
ENTITLEMENT = {
    "valid": True,
    "user_id": "usr_1",
    "email": "researcher@university.edu",
    "license_type": "research",
    "features": ["x"],
    "quota": QUOTA,
}
SESSION = {
    "key_fingerprint": "0" * 12,
    "key_masked": "nbci_test_0123…89ab",
    "user_id": "usr_1",
    "email": None,
    "name": None,
    "organization": None,
    "license_type": "research",
    "expires_at": "2099-01-01T00:00:00+00:00",
    "features_enabled": ["batch_inference"],
    "usage_quota": 1,
    "usage_quota_max": None,
    "quota_reset_at": None,
    "validated_at": "2026-01-01T00:00:00+00:00",
    "api_origin": "https://api.nimbusbci.com:443",
    "clock_offset": 0.5,
    "profile": "default",
    "key_source": "file",
    "key_source_reason": "file",
    "stale": False,
}
ASSET = {"id": 1, "name": f"{INFO[:-10]}-py3-none-any.whl", "size": 10, "digest": "sha256:" + "0" * 64}
RELEASE = {
    "tag_name": "v1.0.0",
    "assets": [ASSET],
    "body": "Requires-Dist: numpy>=1.26\nRequires-Python: >=3.11",
}
MODEL = {
    "name": "m",
    "version": "1",
    "type": "NimbusLDA",
    "paradigm": "p300",
    "n_features": 8,
    "n_classes": 2,
    "size_mb": 0.5,
    "download_url": "https://host/m",
    "checksum": "sha256:" + "0" * 64,
    "requires_license": "free",
    "metadata": {},
}


def stored_cases(name: str) -> Iterator[bytes]:
    """Yield the inputs that once broke a reader, and other valuable ones."""
    for path in sorted((CASES / name).glob("*")):
        yield path.read_bytes()


def seeds(name: str) -> list[bytes]:
    """Return the inputs from which the search starts."""
    return [*_FRESH.get(name, list)(), *stored_cases(name)]


def _wheels() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        small = {"nimbus_sdk_core/__init__.py": b"x = 1\n"}
        paths = [make_wheel(Path(folder, str(n)), files=small, method=n) for n in (0, 8)]
        return [path.read_bytes() for path in paths]


def _parts() -> list[bytes]:
    entries = wheel_files(requires=("numpy>=1.26; python_version > '3'",))
    metadata, wheel = entries[f"{INFO}/METADATA"], entries[f"{INFO}/WHEEL"]
    listed = b"nimbus_sdk_core/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    names = (
        b"nimbus_sdk_core/x.py",
        b"nimbus_sdk_core-1.0.0.data/purelib/nimbus_sdk_core/a",
        b"a/../b",
        b"con",
    )
    return [MARK.join((metadata, wheel, recorded, name)) for recorded in (b"", listed) for name in names]


def _sessions() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        paths = Settings(home=folder).paths
        trust.create_once(paths.seal, b"5eal" * 16, paths.state_root)
        sealed.write_session(paths, {"genuine": True})
        return [Path(paths.session).read_bytes()]


def _state() -> list[bytes]:
    pointer = {"format": 1, "version": "1", "folder": "1/a", "install_id": "a", "previous": None}
    card = {"fingerprint": "0" * 12, "masked": "m", "store": "file", "origin": "o", "saved_at": "s"}
    breaker = {"until": 1.0, "reason": "r", "patience": 2.0, "host": "h"}
    return [json.dumps(fields).encode() for fields in (pointer, card, breaker)]


def _bodies() -> list[bytes]:
    token = {"success": True, "github_token": "ghs_" + "x" * 36, "expires_at": None}
    listed = {"models": [MODEL], "total": 1}
    return [json.dumps(fields).encode() for fields in (ENTITLEMENT, token, listed, {"revoked": True})]


def _models() -> list[bytes]:
    path = REFERENCE_CORE / "models" / "p300_binary_v1.nimbus"
    whole = path.read_bytes()
    header = int.from_bytes(whole[12:16], "little")
    return [whole, whole[24 : 24 + header] + MARK + whole[24 + header : -32]]


_FRESH = {
    "wheel": _wheels,
    "wheel_parts": _parts,
    "session": _sessions,
    "sealed_session": lambda: [json.dumps(SESSION).encode()],
    "state_files": _state,
    "credentials": lambda: [json.dumps({"default": KEY}).encode()],
    "key": lambda: [KEY.encode(), f"\ufeff '{KEY}'\n".encode(), f"Bearer {KEY}".encode()],
    "dotenv": lambda: [f"NIMBUS_API_KEY='{KEY}' # mine\nexport NIMBUS_SDK_PROFILE=\"lab\"\nB=2\n".encode()],
    "answers": _bodies,
    "refusals": lambda: [
        b'\x1d{"error": "no", "code": "RATE_LIMIT_EXCEEDED"}',
        b"\x01<html>",
        b"Retry-After: 7\n\n",
    ],
    "waits": lambda: [
        b"retry-after: 120",
        b"Retry-After: Mon, 01 Jan 2029 00:00:00 GMT\nDate: Sun, 06 Nov 1994 08:49:37 GMT",
    ],
    "releases": lambda: [json.dumps(RELEASE).encode()],
    "model_file": _models,
}
