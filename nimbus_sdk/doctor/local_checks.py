"""Checks of this machine alone: core, session, key, keyring, folders and permissions."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from shutil import disk_usage

from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.ownership import is_foreign, is_open_to_others
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.installation_status import InstallationStatus
from nimbus_sdk.doctor.finding import Finding, format_span, ok, problem
from nimbus_sdk.doctor.machine_status import rejection
from nimbus_sdk.errors import SUPPORT, CredentialStoreError, NimbusError
from nimbus_sdk.storage import key_lookup
from nimbus_sdk.storage.credentials import choose_store
from nimbus_sdk.storage.key_removal import pending_removals

LITTLE_SPACE_BYTES = 200 * 2**20


def check_core(installation: InstallationStatus) -> Finding:
    """Check that the core is installed, undamaged and loads."""
    if installation:
        return ok("core", f"version {installation.version} in {installation.path}; every file is unchanged")
    return problem("core", "; ".join(installation.problems[:3]), installation.hint, fatal=True)


def check_session(session: SessionRecord | None, error: NimbusError | None) -> Finding:
    """Check that there is a valid session; the error says why there is none."""
    if session is None:
        message, hint = ("there is no session", "") if error is None else (error.message, error.hint)
        return problem("session", message, hint, fatal=True)
    end = "the key is revoked" if session.expires_at is None else f"{session.expires_at:%Y-%m-%d %H:%M} UTC"
    # A clock that was set back a little leaves the session valid, and its age must not be negative.
    age = max(0.0, (datetime.now(UTC) - session.validated_at).total_seconds())
    return ok("session", f"{session.license_type}, valid until {end}, confirmed {format_span(age)} ago")


def check_stores(settings: Settings, usable_offline: bool) -> list[Finding]:
    """Check the key, the keyring, and that every folder can be written and has space."""
    findings = [_check_key(settings), _check_keyring(settings)]
    for name in ("config", "data", "state", "cache"):
        path = getattr(settings.paths, name)
        findings.append(_check_folder(f"folder {name}", path, fatal=not usable_offline))
    return findings


def _check_key(settings: Settings) -> Finding:
    """Check that there is a key for the next renewal; an offline start needs none."""
    resolution = key_lookup.explain(settings)
    winner = resolution.winner
    if winner is None:
        unusable = [one for one in resolution.sources if one.state in ("malformed", "withheld", "unreadable")]
        reasons = [f"{one.location}: {one.detail or one.state}" for one in unusable]
        fix = "`nimbus-sdk explain` lists every source. Renewing the session needs a key."
        return problem("key", "; ".join(reasons) or "no source has a key", fix, fatal=False)
    cause = f"{winner.key_masked} from {winner.location}"
    rejected = rejection(settings, winner)
    if rejected:
        fix = (
            f"Use another key, or ask for a new one at {SUPPORT}. If the service accepts this one again, run "
            "`nimbus-sdk install`."
        )
        return problem("key", f"{cause}: {rejected}", fix, fatal=False)
    shadowed = ", ".join(source.location for source in resolution.sources if source.state == "shadowed")
    return ok("key", f"{cause}; not used, because this one comes first: {shadowed}" if shadowed else cause)


def _check_keyring(settings: Settings) -> Finding:
    """Check which credential store works, and whether the keyring is left alone for now."""
    try:
        choice = choose_store(settings)
        left = [f"{name}: {removal}" for name, removal in pending_removals(settings.paths).items()]
    except CredentialStoreError as error:
        return problem("keyring", error.message, error.hint, fatal=False)
    if left:
        fix = "Unlock the keyring and run `nimbus-sdk doctor --retry-keyring`."
        return problem("keyring", f"still to be removed: {'; '.join(left)}", fix, fatal=False)
    if choice.keyring_problem:
        fix = (
            "Unlock the keyring and run `nimbus-sdk doctor --retry-keyring`, or set "
            "NIMBUS_SDK_CREDENTIAL_STORE=file to leave it alone."
        )
        return problem("keyring", choice.reason, fix, fatal=False)
    return ok("keyring", choice.reason)


def _check_folder(check: str, path: str, *, fatal: bool) -> Finding:
    existing = path
    while not os.path.isdir(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)
    if not os.access(existing, os.W_OK | os.X_OK):
        fix = "Set NIMBUS_SDK_HOME to a writable folder. What is installed still works."
        return problem(check, f"{existing} cannot be written", fix, fatal=fatal)
    try:
        free = disk_usage(existing).free
    except OSError as error:
        return problem(check, f"{existing}: {error.strerror}", "Check the disk.", fatal=fatal)
    if existing == path and is_open_to_others(os.stat(path)):
        fix = (
            f"Run `chmod 700 {path}`. If that is refused or without effect, this file system stores no "
            "permissions: set NIMBUS_SDK_HOME to a folder on another disk."
        )
        return problem(check, f"other users can read {path}", fix, fatal=False)
    if free < LITTLE_SPACE_BYTES:
        fix = "Free some space, or set NIMBUS_SDK_HOME to another disk."
        return problem(check, f"{free / 2**20:,.0f} MiB free at {existing}", fix, fatal=False)
    return ok(check, f"{path}, {free / 2**30:,.1f} GiB free")


def check_permissions(paths: Paths) -> Iterator[Finding]:
    """Report files that others can read or that belong to others; nothing if all is well."""
    for path in (paths.credentials, paths.seal, paths.session):
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if is_foreign(status) or stat.S_ISLNK(status.st_mode):
            fix = f"Remove {path} and run `nimbus-sdk install` again."
            yield problem("permissions", f"{path} is a link or belongs to another user", fix, fatal=True)
        elif is_open_to_others(status):
            fix = (
                f"Run `chmod 600 {path}`; where that has no effect, set NIMBUS_SDK_HOME to a folder on "
                "another disk. If others use this machine, get a new key."
            )
            yield problem("permissions", f"{path} can be read by other users", fix, fatal=True)
