"""What can be seen on this machine alone: folders, permissions, key, core, session."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from shutil import disk_usage

from nimbus_sdk.account.record import SessionRecord
from nimbus_sdk.account.session import current_session
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.core.status import InstallationStatus
from nimbus_sdk.doctor.finding import Finding, in_words, ok, trouble
from nimbus_sdk.errors import SUPPORT, CredentialStoreError, NimbusError, SessionError
from nimbus_sdk.storage import key_lookup, sealed
from nimbus_sdk.storage.credentials import choose_store
from nimbus_sdk.storage.key_lookup import SourceReport
from nimbus_sdk.storage.keyring_breaker import breaker_state

LITTLE_SPACE_BYTES = 200 * 2**20


def core(status: InstallationStatus) -> Finding:
    """Whether the core is installed, whole and loadable."""
    if status:
        return ok("core", f"version {status.version} in {status.path}, every file as it was installed")
    fix = "Run `nimbus-sdk install --force`." if status.installed else "Run `nimbus-sdk install`."
    return trouble("core", "; ".join(status.problems[:3]), fix, fatal=True)


def session(settings: Settings) -> tuple[Finding, SessionRecord | None]:
    """Whether there is a session that may be used now, and until when."""
    try:
        found = current_session(profile=settings.profile)
    except NimbusError as error:
        return trouble("session", error.message, error.hint, fatal=True), None
    until = "revoked" if found.expires_at is None else f"{found.expires_at:%Y-%m-%d %H:%M} UTC"
    # A clock that was set back by a little leaves the session valid, and would count backwards here.
    age = max(0.0, (datetime.now(UTC) - found.validated_at).total_seconds())
    cause = f"{found.license_type}, valid until {until}, confirmed {in_words(age)} ago"
    return ok("session", cause), found


def key(settings: Settings) -> Finding:
    """Whether a key can be had for the next renewal; the offline start needs none."""
    resolution = key_lookup.explain(settings)
    winner = resolution.winner
    if winner is not None:
        cause = f"{winner.key_masked} from {winner.location}"
        refused = refusal(settings, winner)
        if refused:
            fix = (
                f"Use another key, or ask for a new one at {SUPPORT}; if the service has made this one valid "
                "again, `nimbus-sdk install` finds out."
            )
            return trouble("key", f"{cause}: {refused}", fix, fatal=False)
        shadowed = [source.location for source in resolution.sources if source.state == "shadowed"]
        others = f"; not used, since this one comes first: {', '.join(shadowed)}" if shadowed else ""
        return ok("key", f"{cause}{others}")
    odd = [source for source in resolution.sources if source.state in ("malformed", "withheld", "unreadable")]
    cause = (
        "; ".join(f"{source.location}: {source.detail or source.state}" for source in odd)
        or "no source has one"
    )
    return trouble(
        "key", cause, "`nimbus-sdk explain` shows every source; renewing needs a key.", fatal=False
    )


def refusal(settings: Settings, source: SourceReport) -> str:
    """That the service called a key dead, and when, in words; empty where it did not."""
    try:
        service = origin(settings.api_url)
        note = (
            sealed.read_rejection(settings.paths, source.fingerprint, service) if source.fingerprint else None
        )
    except SessionError:
        # A note that cannot be read is no news of the key, and whoever uses the key is told of the note.
        return ""
    return "" if note is None else f"the service called it dead on {note.get('at')} ({note.get('code')})"


def keyring(settings: Settings) -> Finding:
    """Which credential store works, and whether a keyring is left alone for now."""
    resting = breaker_state(settings.paths)
    if resting is not None:
        fix = (
            "Unlock the keyring, or set NIMBUS_SDK_CREDENTIAL_STORE=file; it is asked again after 10 minutes."
        )
        return trouble("keyring", f"the keyring was {resting}", fix, fatal=False)
    try:
        choice = choose_store(settings)
    except CredentialStoreError as error:
        return trouble("keyring", error.message, error.hint, fatal=False)
    return ok("keyring", choice.reason)


def folders(paths: Paths, usable_offline: bool) -> Iterator[Finding]:
    """Whether everything can be kept."""
    for name, path in (
        ("config", paths.config),
        ("data", paths.data),
        ("state", paths.state),
        ("cache", paths.cache),
    ):
        yield _folder(name, path, usable_offline)


def _folder(name: str, path: str, usable_offline: bool) -> Finding:
    present = path
    while not os.path.isdir(present) and os.path.dirname(present) != present:
        present = os.path.dirname(present)
    if not os.access(present, os.W_OK | os.X_OK):
        fix = "Set NIMBUS_SDK_HOME to a folder that can be written; what is installed works on all the same."
        return trouble(f"folder {name}", f"{present} cannot be written", fix, fatal=not usable_offline)
    try:
        free = disk_usage(present).free
    except OSError as error:
        return trouble(
            f"folder {name}", f"{present}: {error.strerror}", "Check the disk.", fatal=not usable_offline
        )
    if free < LITTLE_SPACE_BYTES:
        fix = "Free some space, or set NIMBUS_SDK_HOME to another disk."
        return trouble(f"folder {name}", f"{free / 2**20:,.0f} MiB free at {present}", fix, fatal=False)
    return ok(f"folder {name}", f"{path}, {free / 2**30:,.1f} GiB free")


def open_to_others(paths: Paths) -> Iterator[Finding]:
    """What others can read, or have laid there: nothing where all is well."""
    for path in (paths.credentials, paths.seal, paths.session):
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if os.name == "nt":
            continue
        if found.st_uid not in (os.geteuid(), 0) or stat.S_ISLNK(found.st_mode):
            fix = f"Remove {path} and run `nimbus-sdk install` again."
            yield trouble("permissions", f"{path} is a link or belongs to another user", fix, fatal=True)
        elif stat.S_IMODE(found.st_mode) & 0o077:
            fix = f"Run `chmod 600 {path}`; if others use this machine, get a new key."
            yield trouble("permissions", f"{path} can be read by other users", fix, fatal=True)
