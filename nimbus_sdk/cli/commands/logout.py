"""``nimbus-sdk logout`` and ``revoke``: remove a key from this machine, or end it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout, flag, option

if TYPE_CHECKING:
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.storage.key_lookup import FoundKey
    from nimbus_sdk.storage.key_removal import Removal

Everything: TypeAlias = Annotated[
    bool, flag("--everything", "Remove all profiles, the keys of services, core, models and downloads.")
]
Yes: TypeAlias = Annotated[bool, flag("--yes", "Do not ask for confirmation.")]
Reason: TypeAlias = Annotated[str | None, option("--reason", "TEXT", "Reason, logged by the service.")]


def logout(
    profile: Profile = None, everything: Everything = False, yes: Yes = False, as_json: Json = False
) -> None:
    """Remove key and session from this machine; the key stays valid.

    Other profiles, the keys of services, core and models stay, unless --everything is given, which lists
    all of it and, in a terminal, asks first. `nimbus-sdk revoke` ends the key itself.

    JSON: key_removed, session_removed, entries_removed [profiles and services], core_removed [versions],
    models_removed [names], key_left {source, location, key_masked} or null

    \b
    Example:
      nimbus-sdk logout --everything
    """
    from nimbus_sdk.account.operations import invalidate_session
    from nimbus_sdk.account.sign_out import has_session
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.storage.key_removal import remove_key

    settings = Settings.load(profile=profile)
    if everything:
        _remove_everything(settings, yes=yes, as_json=as_json)
        return
    session_removed = has_session(settings.paths)
    invalidate_session(profile=profile)
    # Last, because a keyring may refuse; by then everything else is done.
    removal = remove_key(settings)
    values: dict[str, object] = {"session_removed": session_removed, "entries_removed": []}
    _show_removed(settings, removal, values, as_json=as_json)


def _remove_everything(settings: Settings, *, yes: bool, as_json: bool) -> None:
    from nimbus_sdk.account.sign_out import find_entries, remove_entries
    from nimbus_sdk.core.model_download import remove_models, stored_models
    from nimbus_sdk.core.status import uninstall_core
    from nimbus_sdk.core.wheel.switching import installed_versions
    from nimbus_sdk.display.terminal import is_interactive, print_notice

    entries = find_entries(settings)
    versions = dict.fromkeys(core.version for core in installed_versions(settings.paths.core))
    listed = [
        *(f"  {entry}" for entry in entries),
        *(f"  core {version}" for version in versions),
        *(f"  model {name}" for name in stored_models(settings.paths)),
    ]
    if listed and (is_interactive() or not as_json):
        print_notice("\n".join(["Everything on this machine will be removed:", *listed]))
    if not yes and is_interactive() and not typer.confirm("Remove all of it?", err=True):
        output.print_lines("Nothing was removed.")
        raise typer.Exit(1)
    core_removed = uninstall_core(profile=settings.profile)
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
    from nimbus_sdk.account.stored_keys import explain

    if removal.refusal is not None and as_json:
        raise removal.refusal
    left = explain(profile=settings.profile).winner
    values = {"key_removed": removal.removed, "core_removed": [], "models_removed": [], **removed}
    values["key_left"] = left and {
        "source": left.source,
        "location": left.location,
        "key_masked": left.key_masked,
    }
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

    \b
    Examples:
      nimbus-sdk revoke --reason "laptop lost"
      NIMBUS_API_KEY="$OLD_KEY" nimbus-sdk revoke --yes
    """
    from nimbus_sdk.account.revocation import revoke_api_key
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.errors import CredentialStoreError
    from nimbus_sdk.storage.key_lookup import find_key

    settings = Settings.load(profile=profile)
    found = find_key(settings)
    if not yes and not _is_confirmed(found):
        output.print_lines("No key was revoked.")
        raise typer.Exit(1)
    # The key that was displayed: a source may have another one by now.
    result = revoke_api_key(found.key.reveal(), reason=reason, profile=profile, timeout=timeout)
    rows = [("key", result.key_masked), ("revoked", result.revoked), ("service", result.message)]
    output.show_fields(asdict(result), rows, as_json=as_json)
    if result.not_removed:
        raise typer.Exit(CredentialStoreError.exit_code)
    if not result.revoked:
        raise typer.Exit(1)


def _is_confirmed(found: FoundKey) -> bool:
    from nimbus_sdk.display.terminal import is_interactive
    from nimbus_sdk.errors import ConfigurationError

    if not is_interactive():
        raise ConfigurationError(
            f"There is no terminal to confirm that {found.key.masked} ({found.location}) is to be revoked.",
            hint="Use --yes to revoke it without confirmation; it cannot be undone.",
        )
    return typer.confirm(f"Revoke {found.key.masked} ({found.location}) permanently?", err=True)
