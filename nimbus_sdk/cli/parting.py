"""``nimbus-sdk logout`` and ``revoke``: the two ways to part with a key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli import render
from nimbus_sdk.cli.options import Json, Profile, Timeout

if TYPE_CHECKING:
    from nimbus_sdk.store.key_sources import Found

_REFUSED = 1


def logout(
    profile: Profile = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Remove the core too, for all profiles of this machine.", show_default=False
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Forget key and session on this machine; the key stays valid.

    The core stays unless --everything is given. `nimbus-sdk revoke` ends the key itself.

    \b
    JSON: key_removed, session_removed, core_removed [versions],
    key_left {source, location, key_masked} or null

    \b
    Example:
      nimbus-sdk logout --everything
    """
    from nimbus_sdk.account import invalidate_session
    from nimbus_sdk.installation import uninstall_core
    from nimbus_sdk.settings import Settings
    from nimbus_sdk.store.places import Places
    from nimbus_sdk.stored_key import delete_stored_api_key
    from nimbus_sdk.stored_key import explain as sources_of_the_key

    places = Places.of(Settings.load(profile=profile))
    session_removed = any(map(os.path.exists, (places.session, places.next_session)))
    invalidate_session(profile=profile)
    core_removed = uninstall_core(profile=profile) if everything else ()
    # Last, since a keyring may refuse: by then all else is done.
    key_removed = delete_stored_api_key(profile=profile)
    left = sources_of_the_key(profile=profile).winner
    if as_json:
        found = left and {"source": left.source, "location": left.location, "key_masked": left.key_masked}
        render.document(
            {
                "key_removed": key_removed,
                "session_removed": session_removed,
                "core_removed": list(core_removed),
                "key_left": found,
            }
        )
        return
    render.facts(
        [
            ("stored key", "removed" if key_removed else "there was none"),
            ("session", "removed" if session_removed else "there was none"),
            ("core", f"removed: {', '.join(core_removed) or 'there was none'}" if everything else "stays"),
        ]
    )
    if left is not None:
        render.say(f"{left.location} still names {left.key_masked}.")


def revoke(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.", show_default=False)] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Logged by the service for audits.")
    ] = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """End the key in use for good. This cannot be undone.

    What this machine keeps for it is cleared as well. In a terminal you are asked first.

    \b
    JSON: revoked, message, key_masked

    \b
    Examples:
      nimbus-sdk revoke --reason "laptop lost"
      NIMBUS_API_KEY="$OLD_KEY" nimbus-sdk revoke --yes
    """
    from nimbus_sdk.revocation import revoke_api_key
    from nimbus_sdk.settings import Settings
    from nimbus_sdk.store.key_sources import find_key
    from nimbus_sdk.store.places import Places

    settings = Settings.load(profile=profile)
    found = find_key(settings, Places.of(settings))
    if not yes and not _confirmed(found):
        render.say("Nothing was revoked.")
        raise typer.Exit(_REFUSED)
    # The very key that was shown: another source may name another one by now.
    result = revoke_api_key(found.key.reveal(), reason=reason, profile=profile, timeout=timeout)
    if as_json:
        render.document(
            {"revoked": result.revoked, "message": result.message, "key_masked": result.key_masked}
        )
    else:
        render.facts([("key", result.key_masked), ("revoked", result.revoked), ("service", result.message)])
    if not result.revoked:
        raise typer.Exit(_REFUSED)


def _confirmed(found: Found) -> bool:
    from nimbus_sdk.errors import ConfigurationError
    from nimbus_sdk.store.prompt import person_present

    if not person_present():
        raise ConfigurationError(
            f"Nobody is here to confirm that {found.key.masked} ({found.location}) is to be revoked.",
            hint="Give --yes to revoke it without a question; it cannot be undone.",
        )
    return typer.confirm(f"Revoke {found.key.masked} ({found.location}) for good?", err=True)
