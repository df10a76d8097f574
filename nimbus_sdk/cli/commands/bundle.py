"""``nimbus-sdk bundle …``: core, session and key in one file, for a machine without network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from nimbus_sdk.account.session_record import session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Json, Profile, argument, core_versions, option
from nimbus_sdk.config.dotenv import decode_text
from nimbus_sdk.display import terminal
from nimbus_sdk.errors import ConfigurationError

commands = group("bundle", "Take core, session and key to a machine without network.")

_MAX_BYTES = 64 * 1024
PassphraseFile = Annotated[
    Path | None,
    option(
        "--passphrase-file FILE",
        "File with the passphrase in its first line; if omitted, you are asked for it, hidden.",
    ),
]


@commands.command()
def create(
    file: Annotated[Path, argument("FILE", "The bundle to create.")],
    passphrase_file: PassphraseFile = None,
    version: Annotated[str | None, option("--version VERSION", "Version of the core.", core_versions)] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Create a bundle, on a machine with network.

    The machine that installs it must have the same Python and platform. The file is encrypted: send the
    passphrase separately.

    JSON: path, wheel, created_at, expires_at (time or null)

    Example: nimbus-sdk bundle create lab.nimbus
    """
    from nimbus_sdk.core.bundle import create_bundle

    facts = create_bundle(file, _passphrase(passphrase_file, twice=True), version=version, profile=profile)
    values = {name: getattr(facts, name) for name in ("wheel", "created_at", "expires_at")}
    output.show_fields({"path": str(file.absolute()), **values}, as_json=as_json)


@commands.command()
def install(
    file: Annotated[Path, argument("FILE", "The bundle.")],
    passphrase_file: PassphraseFile = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Install from a bundle, without network.

    JSON: all fields of AuthSession

    Example: nimbus-sdk bundle install lab.nimbus
    """
    from nimbus_sdk.core.bundle import install_bundle

    session = install_bundle(file, _passphrase(passphrase_file, twice=False), profile=profile)
    output.show_fields(session.to_dict(), session_rows(session), as_json=as_json)


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file is not None:
        return _first_line(file)
    from nimbus_sdk.core.bundle.encryption import SHORTEST_PASSPHRASE, require_usable

    least = f" ({SHORTEST_PASSPHRASE} characters or more)" if twice else ""
    label = f"Passphrase of the bundle{least}: "
    typed = terminal.prompt_hidden(label) if terminal.is_interactive() else None
    if typed is None:
        raise ConfigurationError(
            "There is no terminal to type the passphrase.", hint="Use --passphrase-file."
        )
    if twice:
        require_usable(typed)
        if terminal.prompt_hidden("Repeat the passphrase: ") != typed:
            raise ConfigurationError("The passphrases differ.", hint="Run the command again.")
    return typed


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}).") from None
    line = re.split(r"[\r\n]", decode_text(content), maxsplit=1)[0]
    if "\ufffd" in line:
        raise ConfigurationError(
            f"{file} is not UTF-8 text.", hint="Save it as UTF-8 and run the command again."
        )
    return line
