"""``nimbus-sdk install``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli.commands.status import session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout

if TYPE_CHECKING:
    from nimbus_sdk.account.session import AuthSession

Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Validate and install again.", show_default=False)
]
Version: TypeAlias = Annotated[
    str | None, typer.Option("--version", metavar="VERSION", help="Of the core; else the newest that fits.")
]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--offline", help="Not one network call.", show_default=False)
]
NoProgress: TypeAlias = Annotated[
    bool, typer.Option("--no-progress", help="No bar in a terminal either.", show_default=False)
]


def install(
    key_stdin: KeyFromStdin = False,
    force: Force = False,
    version: Version = None,
    profile: Profile = None,
    offline: Offline = False,
    timeout: Timeout = None,
    no_progress: NoProgress = False,
    as_json: Json = False,
) -> None:
    """Validate the key, install the core, keep both for use offline.

    The key comes from NIMBUS_API_KEY, the nearest .env, the file that NIMBUS_SDK_API_KEY_FILE names or the
    credential store, whichever is first; in a terminal you are asked for it, hidden. Run again, it costs no
    request while the session is fresh.

    \b
    JSON: session (all fields of AuthSession), core {version, path}

    \b
    Examples:
      nimbus-sdk install
      pass show nimbus | nimbus-sdk install --key-stdin
      NIMBUS_SDK_API_KEY_FILE=/run/secrets/nimbus nimbus-sdk install --json
    """
    from nimbus_sdk.cli.ui.options import key_from_stdin
    from nimbus_sdk.core.install import install_core

    session = install_core(
        key_from_stdin() if key_stdin else None,
        force=force,
        version=version,
        profile=profile,
        offline=offline or None,
        progress=False if no_progress else None,
        timeout=timeout,
    )
    _show(session, as_json=as_json)


def _show(session: AuthSession, *, as_json: bool) -> None:
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.core.wheel import manifest

    core = manifest.current(Settings.load(profile=session.profile).paths.core)
    version, path = (None, None) if core is None else (core.version, core.folder)
    if as_json:
        output.document({"session": session.to_dict(), "core": {"version": version, "path": path}})
        return
    rows = [("key from", session.key_source), ("core", version), ("core path", path)]
    output.facts([*session_rows(session), *rows])
