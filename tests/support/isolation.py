"""What holds for the whole test process: no settings of the user, no other machine, files in memory."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

LOOPBACK = ("127.", "::1", "localhost")
DOCUMENTATION = ("192.0.2.", "198.51.100.", "2001:db8:")
"""Addresses that no real network has; those of ``tests/support/networks.py``."""

FORCED = {"NIMBUS_SDK_NO_PROGRESS": "1", "NIMBUS_SDK_CREDENTIAL_STORE": "file", "NO_COLOR": "1"}
_PROXIES_AND_ROOTS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
_IN_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 2 * 1024**3


def isolate() -> None:
    """Isolate this process and those that it starts."""
    for name in list(os.environ):
        if name.startswith(("NIMBUS_", "XDG_")) or name.upper() in _PROXIES_AND_ROOTS:
            del os.environ[name]
    os.environ.update(FORCED)
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    # In place of the system's roots, which each process would read in full. Nobody has this root's key.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("root.pem"))
    # The tests use all cores already; more threads for linear algebra would only slow them down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Fresh processes find compiled modules and write them, as they do on machines of users.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # The SDK syncs every file to the disk, and tests need no state that survives a power cut.
    if "TMPDIR" not in os.environ and _is_suitable(_IN_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)
    _refuse_other_machines()


def _is_suitable(folder: Path) -> bool:
    try:
        flags = os.statvfs(folder).f_flag
        return not flags & os.ST_NOEXEC and shutil.disk_usage(folder).free > _NEEDED_BYTES
    except (OSError, AttributeError):
        return False


def _refuse_other_machines() -> None:
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and not str(host).startswith((*LOOPBACK, *DOCUMENTATION)):
            raise AssertionError(f"a test tried to reach {host}")
        real_connect(self, address)  # type: ignore[arg-type]

    socket.socket.connect = connect  # type: ignore[assignment, method-assign]
