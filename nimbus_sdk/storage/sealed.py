"""Sealed records: the session, rejections, the latest time seen. Their validity is decided elsewhere.

Each record is a JSON file with an HMAC-SHA256 under a random secret of this installation. That makes an
edit evident. It is not copy protection: whoever can read the secret can seal anything. Where the disk refuses
to read, write or remove a record, a ``SessionError`` says so, unless a function says otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import NewerSessionError, SessionError, SessionTamperedError
from nimbus_sdk.storage import fs, trust

# The offline path pays for every import, and typing is a tenth of what it costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

FORMAT = 1
UNKNOWN_SERVICE = "an unknown address"
"""The service of a rejection whose record cannot be understood."""

_SECRET_BYTES = 32
_ENVELOPE = frozenset({"format", "seal", "record"})
Record: TypeAlias = dict[str, object]


def read_session(paths: Paths) -> Record | None:
    """Return the profile's session, or None.

    Raises:
        SessionTamperedError: The seal does not match; the file was set aside.
        NewerSessionError: It was written by a newer version of the SDK; it stays where it is.
    """
    return _unseal(paths, paths.session, "session")


def write_session(paths: Paths, record: Mapping[str, object]) -> None:
    """Write a session, replacing the one before and a staged one.

    Raises:
        SessionError: The disk refused; the session before it is untouched.
        NewerSessionError: That one was written by a newer version of the SDK; likewise.
    """
    _seal(paths, paths.session, "session", record)
    with suppress(OSError):
        fs.remove(paths.next_session)


def stage_session(paths: Paths, record: Mapping[str, object], install_id: str) -> None:
    """Write a session that is valid from the moment at which the core ``install_id`` is the current one."""
    _seal(paths, paths.next_session, "next session", {"install_id": install_id, "session": dict(record)})


def read_staged_session(paths: Paths) -> tuple[str, Record] | None:
    """Return the staged session and the id of its core, or None."""
    record = _unseal(paths, paths.next_session, "next session")
    if record is None:
        return None
    session, install_id = record.get("session"), record.get("install_id")
    return (install_id, session) if isinstance(session, dict) and isinstance(install_id, str) else None


def read_dotenv_session(paths: Paths, fingerprint: str) -> Record | None:
    """Return the session of a key from a ``.env``, as ``read_session`` does for the profile's own."""
    return _unseal(paths, paths.dotenv_session(fingerprint), "dotenv session")


def dotenv_fingerprints(paths: Paths) -> list[str]:
    """Return the fingerprints of the keys that have such a session; none if their folder cannot be read."""
    with suppress(OSError):
        return [os.path.basename(path).removesuffix(".json") for path in _dotenv_sessions(paths)]
    return []


def _dotenv_sessions(paths: Paths) -> Iterator[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(paths.dotenv_sessions):
            if name.endswith(".json"):
                yield os.path.join(paths.dotenv_sessions, name)


def write_dotenv_session(paths: Paths, fingerprint: str, record: Mapping[str, object]) -> None:
    """Write the session of a key from a ``.env``; the profile's own stays."""
    _seal(paths, paths.dotenv_session(fingerprint), "dotenv session", record)


def remove_dotenv_session(paths: Paths, fingerprint: str) -> None:
    """Remove the session of a key from a ``.env``."""
    _remove(paths, (paths.dotenv_session(fingerprint),))


def remove_session(paths: Paths) -> None:
    """Remove the profile's own session and the latest time seen."""
    _remove(paths, (paths.next_session, paths.session, paths.last_seen))


def remove_all_sessions(paths: Paths) -> None:
    """Remove the profile's own session, the latest time seen, and the sessions of keys from a ``.env``."""
    remove_session(paths)
    _remove(paths, _dotenv_sessions(paths))


def _remove(paths: Paths, files: Iterable[str]) -> None:
    try:
        for path in files:
            fs.remove(path)
    except OSError as error:
        raise SessionError(
            f"The session in {error.filename or paths.session} cannot be removed ({error.strerror}).",
            hint="Check the permissions of the folder and remove the file by hand.",
        ) from None


def write_rejection(paths: Paths, fingerprint: str, service: str, code: str, at: str) -> None:
    """Record that a service (scheme, host, port) rejected a key, so that no outage makes it valid again."""
    record = {"fingerprint": fingerprint, "service": service, "code": code, "at": at}
    # The record of a newer version says the same.
    with suppress(NewerSessionError):
        _seal(paths, paths.rejection(fingerprint, service), "rejection", record)


def has_rejection(paths: Paths, fingerprint: str, service: str) -> bool:
    """Return whether there is a record that a service rejected a key, readable or not."""
    try:
        os.lstat(paths.rejection(fingerprint, service))
    except (FileNotFoundError, NotADirectoryError):
        return _has_no_folder_of_rejections(paths)
    except OSError:
        # Where nobody can look, there may be one.
        return True
    return True


def _has_no_folder_of_rejections(paths: Paths) -> bool:
    """Whether something else is in the place of the folder of records: nobody knows what was in it."""
    try:
        return not stat.S_ISDIR(os.lstat(paths.rejected).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def read_rejection(paths: Paths, fingerprint: str, service: str) -> Record | None:
    """Return the record that a service rejected a key, or None; an empty one if it cannot be understood.

    A damaged record counts, and stays where it is, until the service accepts the key.
    """
    found = _read_rejection(paths, paths.rejection(fingerprint, service))
    return {} if found is None and _has_no_folder_of_rejections(paths) else found


def _read_rejection(paths: Paths, path: str) -> Record | None:
    try:
        return _unseal(paths, path, "rejection")
    except SessionError:
        return {}


def rejecting_services(paths: Paths, fingerprint: str) -> list[str]:
    """Return the services that rejected a key."""
    try:
        names = sorted(os.listdir(paths.rejected))
    except OSError:
        return []
    found = [os.path.join(paths.rejected, name) for name in names if name.startswith(f"{fingerprint}-")]
    records = (_read_rejection(paths, path) for path in found)
    return [str(record.get("service", UNKNOWN_SERVICE)) for record in records if record is not None]


def clear_rejection(paths: Paths, fingerprint: str, service: str) -> None:
    """Remove the record of a rejection: the service has just accepted the key."""
    lost = _has_no_folder_of_rejections(paths)
    path = paths.rejected if lost else paths.rejection(fingerprint, service)
    try:
        fs.remove(path)
    except OSError as error:
        raise SessionError(
            f"The service accepts the key again, but the record of its rejection, {path}, cannot be removed "
            f"({error.strerror}).",
            hint="Check the permissions of the folder and remove the file by hand.",
        ) from None


def read_last_seen(paths: Paths) -> float | None:
    """Return the latest Unix time that this profile has recorded, or None."""
    try:
        record = _unseal(paths, paths.last_seen, "last seen")
    except (SessionTamperedError, NewerSessionError):
        return None
    seen = (record or {}).get("at")
    return float(seen) if isinstance(seen, (int, float)) else None


def write_last_seen(paths: Paths, now: float) -> None:
    """Record the time; a disk that refuses does not fail the call."""
    with suppress(SessionError):
        _seal(paths, paths.last_seen, "last seen", {"at": now})


def _seal(paths: Paths, path: str, purpose: str, record: Mapping[str, object]) -> None:
    with suppress(OSError):
        _require_known_format(trust.read(path, paths.state_root), paths, path, purpose)
    try:
        secret = _secret(paths)
        payload = dict(record)
        sealed = {"format": FORMAT, "seal": _mac(secret, paths, purpose, payload), "record": payload}
        fs.write_private(path, json.dumps(sealed, indent=1).encode() + b"\n", paths.state_root)
    except OSError as error:
        raise SessionError(
            f"The {purpose} cannot be stored in {os.path.dirname(path)} ({error.strerror or error}).",
            hint="Check free space and permissions, or set NIMBUS_SDK_HOME to a folder that can be written.",
        ) from None


def _secret(paths: Paths) -> bytes:
    """Return the secret of this installation, made at the first call; a damaged one is set aside."""
    fresh = os.urandom(_SECRET_BYTES).hex().encode()
    secret = trust.create_once(paths.seal, fresh, paths.state_root)
    if _is_secret(secret):
        return secret
    fs.quarantine(paths.seal)
    return trust.create_once(paths.seal, fresh, paths.state_root)


def _is_secret(content: bytes) -> bool:
    return len(content) == 2 * _SECRET_BYTES and content.isalnum()


def _unseal(paths: Paths, path: str, purpose: str) -> Record | None:
    try:
        content = trust.read(path, paths.state_root)
        if content is None:
            return None
        secret = trust.read(paths.seal, paths.state_root) or b""
    except OSError as error:
        raise SessionError(
            f"The {purpose} in {path} cannot be read ({error.strerror or error}).",
            hint="Check the permissions of the file and its folder.",
        ) from None
    record = _open(content, secret, paths, purpose)
    if record is not None:
        return record
    with suppress(OSError):
        if fs.read(path) != content:
            # Another process has replaced it meanwhile.
            return _unseal(paths, path, purpose)
    _require_known_format(content, paths, path, purpose)
    fault = f"The {purpose} of profile {paths.profile} was changed, cut short, or comes from another machine."
    # A rejection that cannot be understood still counts.
    raise SessionTamperedError(fault if purpose == "rejection" else f"{fault} {_quarantine(path)}")


def _require_known_format(content: bytes | None, paths: Paths, path: str, purpose: str) -> None:
    try:
        found = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return
    version = found.get("format") if isinstance(found, dict) else None
    if type(version) is int and version > FORMAT:
        raise NewerSessionError(
            f"The {purpose} of profile {paths.profile} in {path} was written by a newer version of the SDK."
        )


def _open(content: bytes, secret: bytes, paths: Paths, purpose: str) -> Record | None:
    try:
        sealed = json.loads(content)
        record, seal = sealed["record"], sealed["seal"]
        # The seal covers the record alone: anything else in the file was added by somebody.
        genuine = (
            sealed.keys() == _ENVELOPE
            and sealed["format"] == FORMAT
            and hmac.compare_digest(seal, _mac(secret, paths, purpose, record))
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record if _is_secret(secret) and genuine and isinstance(record, dict) else None


def _mac(secret: bytes, paths: Paths, purpose: str, record: object) -> str:
    owner = paths.profile if purpose != "rejection" else ""
    text = json.dumps([FORMAT, purpose, owner, record], sort_keys=True, separators=(",", ":"))
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _quarantine(path: str) -> str:
    try:
        return f"It was set aside as {fs.quarantine(path)} and is not used."
    except OSError:
        return "It is not used, and could not be set aside."
