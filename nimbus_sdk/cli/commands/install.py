"""``nimbus-sdk install``: validate the key and install the core."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from nimbus_sdk.account.session_summary import session_rows
from nimbus_sdk.cli.ui import completion, output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout, flag, option, read_key_from_stdin

Force: TypeAlias = Annotated[bool, flag("--force", "Validate and install again.")]
Version: TypeAlias = Annotated[
    str | None,
    option(
        "--version", "VERSION", "Version of the core; the newest that fits if omitted.", completion.versions
    ),
]
Offline: TypeAlias = Annotated[bool, flag("--offline", "Make no network requests.")]
NoProgress: TypeAlias = Annotated[bool, flag("--no-progress", "Show no progress bar.")]


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
    """Validate the key and install the core for offline use.

    The key is read from NIMBUS_API_KEY, the nearest .env file, the file named by NIMBUS_SDK_API_KEY_FILE or
    the credential store, whichever has one first; in a terminal you are asked for it, hidden. While the
    session is fresh, running it again makes no request.

    JSON: session (all fields of AuthSession), core {version, path}

    \b
    Examples:
      nimbus-sdk install
      pass show nimbus | nimbus-sdk install --key-stdin
      NIMBUS_SDK_API_KEY_FILE=/run/secrets/nimbus nimbus-sdk install --json
    """
    from nimbus_sdk.core.install import install_core
    from nimbus_sdk.core.wheel.manifest import find_core

    session = install_core(
        read_key_from_stdin() if key_stdin else None,
        force=force,
        version=version,
        profile=profile,
        offline=offline or None,
        progress=False if no_progress else None,
        timeout=timeout,
    )
    core = find_core()
    version, path = (None, None) if core is None else (core.version, core.folder)
    values = {"session": session.to_dict(), "core": {"version": version, "path": path}}
    rows: list[tuple[str, object]] = [("key from", session.key_source)]
    if session.key_source_reason not in (None, session.key_source):
        rows.append(("key stored in", session.key_source_reason))
    rows += [("core", version), ("core path", path)]
    output.show_fields(values, [*session_rows(session), *rows], as_json=as_json)
    if not as_json:
        output.print_text("", "Next: `nimbus-sdk models` lists what nimbus_sdk.load_model can load.")
