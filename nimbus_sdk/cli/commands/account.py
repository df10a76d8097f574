"""``nimbus-sdk refresh``, ``quota``, ``explain``, ``logout``, ``revoke``: session and key of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

import nimbus_sdk
from nimbus_sdk.account.session_record import format_quota, session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout, Yes, flag, option
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.display import terminal
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_removal import Removal

Everything = Annotated[
    bool, flag("--everything", "Remove all profiles, the keys of services, core, models and downloads.")
]
Reason = Annotated[str | None, option("--reason TEXT", "Reason, logged by the service.")]


def refresh(profile: Profile = None, timeout: Timeout = None, as_json: Json = False) -> None:
    """Renew the session: get the current quota, features and expiry.

    The session is stored for offline use.

    JSON: all fields of AuthSession

    Example: nimbus-sdk refresh --timeout 10
    """
    session = nimbus_sdk.refresh_quota(profile=profile, timeout=timeout)
    output.show_fields(session.to_dict(), session_rows(session), as_json=as_json)


def quota(profile: Profile = None, as_json: Json = False) -> None:
    """Show the monthly quota of the stored session.

    Uses no network: "confirmed" is the time of the last answer of the service. `nimbus-sdk refresh` asks
    again.

    JSON: remaining, monthly_limit (both null: unlimited), usage_percentage, resets_at, confirmed_at

    Example: nimbus-sdk quota --json | jq .remaining
    """
    session, status = (
        nimbus_sdk.current_session(profile=profile),
        nimbus_sdk.get_quota_status(profile=profile),
    )
    fields = session.to_dict()
    times = {"resets_at": fields["quota_reset_at"], "confirmed_at": fields["validated_at"]}
    rows = [
        ("left", format_quota(status.remaining)),
        ("monthly", format_quota(status.monthly_limit)),
        ("used", f"{status.usage_percentage:.1f} %"),
        ("resets", session.quota_reset_at),
        ("confirmed", session.validated_at),
    ]
    output.show_fields({**asdict(status), **times}, rows, as_json=as_json)


def explain(profile: Profile = None, as_json: Json = False) -> None:
    """Show where the key is looked for, and which key is used.

    Keys are masked. Uses no network; "why" says if and when the service rejected a key.

    JSON: found, source (or null), sources [{source, location, state, key_masked, fingerprint, detail}]

    Example: nimbus-sdk explain --profile lab
    """
    from nimbus_sdk.doctor.machine_status import explain_key

    resolution = explain_key(Settings.load(profile=profile))
    rows = [(each.state, each.key_masked, each.location, each.detail) for each in resolution.sources]
    output.show_table(resolution.to_dict(), ("state", "key", "place", "why"), rows, as_json=as_json)


def logout(
    profile: Profile = None, everything: Everything = False, yes: Yes = False, as_json: Json = False
) -> None:
    """Remove key and session from this machine; the key stays valid.

    Other profiles, the keys of services, core and models stay, unless --everything is given, which lists
    all of it and, in a terminal, asks first. `nimbus-sdk revoke` ends the key itself.

    JSON: key_removed, session_removed, entries_removed [profiles and services], core_removed [versions],
    models_removed [names], key_left {source, location, key_masked} or null

    Example: nimbus-sdk logout --everything
    """
    from nimbus_sdk.account.sign_out import has_session
    from nimbus_sdk.storage.key_removal import remove_key

    settings = Settings.load(profile=profile)
    if everything:
        _remove_everything(settings, yes=yes, as_json=as_json)
        return
    values: dict[str, object] = {"session_removed": has_session(settings.paths), "entries_removed": []}
    left: nimbus_sdk.SessionError | None = None
    try:
        nimbus_sdk.invalidate_session(profile=profile)
    except nimbus_sdk.SessionError as error:
        left = error
    # Last, because a keyring may refuse; by then everything else is done.
    removal = remove_key(settings)
    if left is not None:
        # A key that is left matters more, and the next attempt says again what else is.
        raise removal.refusal or left
    _show_removed(settings, removal, values, as_json=as_json)


def _remove_everything(settings: Settings, *, yes: bool, as_json: bool) -> None:
    from nimbus_sdk.account.sign_out import find_entries, remove_entries
    from nimbus_sdk.core.model_download import remove_models, stored_models
    from nimbus_sdk.core.wheel.versions import installed_versions

    entries = find_entries(settings)
    versions = dict.fromkeys(core.version for core in installed_versions(settings.paths.core))
    listed = [
        *(f"  {entry}" for entry in entries),
        *(f"  core {version}" for version in versions),
        *(f"  model {name}" for name in stored_models(settings.paths)),
    ]
    interactive = terminal.is_interactive()
    if listed and (interactive or not as_json):
        terminal.print_notice("\n".join(["Everything on this machine will be removed:", *listed]))
    if interactive and not yes:
        output.require_confirmation("Remove all of it?", "Nothing was removed.")
    core_removed = nimbus_sdk.uninstall_core(profile=settings.profile)
    models_removed = remove_models(profile=settings.profile)
    removal = remove_entries(settings)
    values = {
        "session_removed": any(entry.has_session for entry in entries),
        "entries_removed": [entry.name for entry in entries],
        "core_removed": list(core_removed),
        "models_removed": list(models_removed),
    }
    _show_removed(settings, removal, values, as_json=as_json)


def _show_removed(
    settings: Settings, removal: Removal, removed: Mapping[str, object], *, as_json: bool
) -> None:
    """Print what was removed, what was not, and which key the next call would use.

    Raises:
        CredentialStoreError: A store did not remove a key.
    """
    if removal.refusal is not None and as_json:
        raise removal.refusal
    left = nimbus_sdk.explain(profile=settings.profile).winner
    values = {"key_removed": removal.removed, "core_removed": [], "models_removed": [], **removed}
    names = ("source", "location", "key_masked")
    values["key_left"] = left and {name: getattr(left, name) for name in names}
    words = {True: "removed", False: "there was none"}
    key_words = words[removal.removed]
    if removal.refusal is not None:
        key_words = "removed in part" if removal.removed else "not removed"
    rows = [
        ("stored key", key_words),
        ("session", words[bool(removed["session_removed"])]),
        ("profiles and services", removed["entries_removed"]),
        ("core removed", values["core_removed"]),
        ("models removed", values["models_removed"]),
    ]
    output.show_fields(values, rows, as_json=as_json)
    if left is not None and not as_json:
        output.print_text(f"{left.location} still has the key {left.key_masked}.")
    if removal.not_asked and not as_json:
        output.print_text(f"{removal.not_asked} No key of this home is known to be in it.")
    if removal.refusal is not None:
        raise removal.refusal


def revoke(
    yes: Yes = False,
    reason: Reason = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Revoke the key in use. This cannot be undone.

    Also removes what this machine has stored for it. In a terminal you are asked to confirm.

    JSON: revoked, message, key_masked, not_removed [what this machine could not remove, and why]

    Examples:
      nimbus-sdk revoke --reason "laptop lost"
      NIMBUS_API_KEY="$OLD_KEY" nimbus-sdk revoke --yes
    """
    from nimbus_sdk.storage.key_lookup import find_key

    found = find_key(Settings.load(profile=profile))
    shown = f"{found.key.masked} ({found.location})"
    if not yes and not terminal.is_interactive():
        raise ConfigurationError(
            f"There is no terminal to confirm that {shown} is to be revoked.",
            hint="Use --yes to revoke it without confirmation; it cannot be undone.",
        )
    if not yes:
        output.require_confirmation(f"Revoke {shown} permanently?", "No key was revoked.")
    # The key that was displayed: a source may have another one by now.
    result = nimbus_sdk.revoke_api_key(found.key.reveal(), reason=reason, profile=profile, timeout=timeout)
    rows = [("key", result.key_masked), ("revoked", result.revoked), ("service", result.message)]
    output.show_fields(asdict(result), rows, as_json=as_json)
    if result.not_removed:
        raise typer.Exit(CredentialStoreError.exit_code)
    if not result.revoked:
        raise typer.Exit(1)
