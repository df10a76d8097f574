"""``nimbus-sdk logout`` and ``revoke``: remove a key from this machine, or end it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout, flag, option

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_lookup import FoundKey

Everything: TypeAlias = Annotated[
    bool, flag("--everything", "Also remove core, models and downloads, for all profiles.")
]
Yes: TypeAlias = Annotated[bool, flag("--yes", "Do not ask for confirmation.")]
Reason: TypeAlias = Annotated[str | None, option("--reason", "TEXT", "Reason, logged by the service.")]


def logout(profile: Profile = None, everything: Everything = False, as_json: Json = False) -> None:
    """Remove key and session from this machine; the key stays valid.

    Core and models stay, unless --everything is given. `nimbus-sdk revoke` ends the key itself.

    \b
    JSON: key_removed, session_removed, core_removed [versions], models_removed [names],
    key_left {source, location, key_masked} or null

    \b
    Example:
      nimbus-sdk logout --everything
    """
    from nimbus_sdk.account.operations import invalidate_session
    from nimbus_sdk.account.stored_keys import delete_stored_api_key, explain
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.core.model_download import remove_models
    from nimbus_sdk.core.status import uninstall_core
    from nimbus_sdk.storage.sealed import dotenv_fingerprints

    paths = Settings.load(profile=profile).paths
    sessions = (paths.session, paths.next_session, *map(paths.dotenv_session, dotenv_fingerprints(paths)))
    session_removed = any(map(os.path.exists, sessions))
    invalidate_session(profile=profile)
    core_removed = uninstall_core(profile=profile) if everything else ()
    models_removed = remove_models(profile=profile) if everything else ()
    # Last, because a keyring may refuse; by then everything else is done.
    key_removed = delete_stored_api_key(profile=profile)
    left = explain(profile=profile).winner
    values = {
        "key_removed": key_removed,
        "session_removed": session_removed,
        "core_removed": list(core_removed),
        "models_removed": list(models_removed),
        "key_left": left
        and {"source": left.source, "location": left.location, "key_masked": left.key_masked},
    }
    words = {True: "removed", False: "there was none"}
    rows = [
        ("stored key", words[key_removed]),
        ("session", words[session_removed]),
        ("core removed", core_removed),
        ("models removed", models_removed),
    ]
    output.show_fields(values, rows, as_json=as_json)
    if left is not None and not as_json:
        output.print_lines(f"{left.location} still has the key {left.key_masked}.")


def revoke(
    yes: Yes = False,
    reason: Reason = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Revoke the key in use. This cannot be undone.

    Also removes what this machine has stored for it. In a terminal you are asked to confirm.

    \b
    JSON: revoked, message, key_masked

    \b
    Examples:
      nimbus-sdk revoke --reason "laptop lost"
      NIMBUS_API_KEY="$OLD_KEY" nimbus-sdk revoke --yes
    """
    from nimbus_sdk.account.revocation import revoke_api_key
    from nimbus_sdk.config.settings import Settings
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
