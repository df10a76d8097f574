"""Settings from arguments, the environment, the nearest ``.env`` and the defaults, in this order.

A ``.env`` may come with a folder from somebody else. So it may contain a key and change how the SDK behaves,
but not where keys are sent, where the core comes from, or where files are stored.

Every offline start imports this module, so it imports nothing heavy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from nimbus_sdk.config.dotenv import dotenv_values, find_dotenv
from nimbus_sdk.config.keys import REFERENCE
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import ConfigurationError

KEY_VARIABLE = "NIMBUS_API_KEY"
DEFAULT_ORIGIN = "https://api.nimbusbci.com:443"
"""The origin of the default ``api_url``; parsing the URL would slow down every start."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CREDENTIAL_STORES = ("keyring", "file", "none")
_NOT_FROM_DOTENV = frozenset(
    {
        "NIMBUS_SDK_API_KEY_FILE",
        "NIMBUS_SDK_API_URL",
        "NIMBUS_SDK_CORE_REPO",
        "NIMBUS_SDK_CREDENTIAL_STORE",
        "NIMBUS_SDK_GITHUB_URL",
        "NIMBUS_SDK_HOME",
        "NIMBUS_SDK_USAGE",
    }
)
_warned: set[str] = set()
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NAME_LETTERS = frozenset(_LETTERS + "._-")
_DEVICE_NAMES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}
)
"""Source: Microsoft, "Naming Files, Paths, and Namespaces", with any extension."""

_URL_LETTERS = frozenset(_LETTERS + "._-~:/[]%")
_QUOTES = ("'", '"')
_YES = frozenset({"1", "true", "yes", "on"})
OFF_WORDS = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a call, immutable.

    Attributes:
        api_url: Base URL of the Nimbus API, without a trailing slash.
        github_url: Base URL of the GitHub API, without a trailing slash.
        core_repo: ``owner/repo`` that publishes the core.
        home: One folder for all files of the SDK, or None for the folders of the platform.
        profile: Name of the account.
        offline: Send no request at all.
        credential_store: ``keyring``, ``file``, ``none``, or None for the first that works.
        key_file: A mounted file with the key, or None.
        timeout: Seconds for one whole call, retries included; a download may be silent for as long.
        no_progress: No progress bars.
        usage: Report inferences to the service in the background.
        dotenv: Path of the ``.env`` that was read, or None.
        skipped_dotenv: Path of a nearer one that was not read, since it belongs to another user, or None.

    Examples:
        >>> Settings.load(environ={"NIMBUS_SDK_PROFILE": "lab"}, directory="/").profile
        'lab'
    """

    api_url: str = "https://api.nimbusbci.com"
    github_url: str = "https://api.github.com"
    core_repo: str = "nimbusbci/NimbusSDKCore"
    home: str | None = None
    profile: str = "default"
    offline: bool = False
    credential_store: str | None = None
    key_file: str | None = None
    timeout: float = 30.0
    no_progress: bool = False
    usage: bool = False
    dotenv: str | None = None
    skipped_dotenv: str | None = None

    @classmethod
    def load(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        directory: str | None = None,
        **given: object,
    ) -> Settings:
        """Load every setting from its sources.

        Args:
            environ: The environment; ``os.environ`` if omitted.
            directory: Folder in which the search for ``.env`` starts; the working directory if omitted.
            **given: Settings by field name, which override all other sources; None means not given.

        Raises:
            ConfigurationError: A value is invalid; the message names the variable.
        """
        environ = os.environ if environ is None else environ
        unknown = set(given) - set(_TABLE)
        if unknown:
            raise ConfigurationError(f"Unknown setting: {', '.join(sorted(unknown))}.")
        dotenv, skipped = find_dotenv(directory)
        if skipped is not None:
            _warn_of_skipped(skipped)
        texts = {**_read_dotenv(dotenv), **environ}
        values: dict[str, object] = {}
        for name, (variable, parse) in _TABLE.items():
            text = read_text(texts, variable)
            if REFERENCE in text:
                raise ConfigurationError(
                    f"{variable} refers to another variable (${{…}}), which is not expanded.",
                    hint="Write the value itself.",
                )
            if text:
                values[name] = parse(text, variable)
        for name, value in given.items():
            if value is not None:
                _, parse = _TABLE[name]
                is_switch = parse is _parse_switch and isinstance(value, bool)
                values[name] = value if is_switch else parse(str(value), name)
        return cls(dotenv=dotenv, skipped_dotenv=skipped, **values)  # type: ignore[arg-type]

    @cached_property
    def paths(self) -> Paths:
        """The paths of all files for these settings; see ``Paths.of``."""
        return Paths.of(self.home, self.profile)

    def for_service(self, entry: str) -> Settings:
        """Return the same settings for a key that is stored beside the profile's, such as ``neuroai``."""
        # The name of a profile contains no @, so no entry is mistaken for a profile.
        return replace(self, profile=f"{self.profile}@{entry}")

    def each_other_profile(self) -> Iterator[Settings]:
        """Yield the same settings for every other profile that has files here."""
        try:
            names = sorted(os.listdir(self.paths.profiles))
        except OSError:
            return
        for name in names:
            if name != self.profile and "@" not in name:
                yield replace(self, profile=name)


def read_text(variables: Mapping[str, str], variable: str) -> str:
    """Return the text of a variable without white space and one pair of quotes around it; empty if not set.

    Tools that read a file of variables line by line, such as ``docker --env-file``, pass its quotes on.
    """
    text = variables.get(variable, "").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        return text[1:-1].strip()
    return text


def _read_dotenv(path: str | None) -> dict[str, str]:
    """Return the settings that a ``.env`` may contain; others are ignored with a warning in the log."""
    values = dotenv_values(path)
    ignored = sorted(name for name in values if name in _NOT_FROM_DOTENV)
    if ignored:
        import logging

        logging.getLogger("nimbus_sdk").warning(
            "%s in %s was ignored: it counts only in the environment.", ", ".join(ignored), path
        )
    return {name: value for name, value in values.items() if name not in _NOT_FROM_DOTENV}


def _warn_of_skipped(path: str) -> None:
    """Log once that a ``.env`` of another user does not count, if it has anything for the SDK."""
    if path in _warned:
        return
    _warned.add(path)
    try:
        matters = bool(dotenv_values(path))
    except ConfigurationError:
        matters = True
    if matters:
        import logging

        logging.getLogger("nimbus_sdk").warning("%s was skipped: it belongs to another user.", path)


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, to which a credential is bound.

    Examples:
        >>> origin("https://API.nimbusbci.com/v1/auth")
        'https://api.nimbusbci.com:443'
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether the host of a URL, without brackets, is a loopback address."""
    # The meaning of a zone after % depends on the system.
    if host in LOOPBACK or "%" in host:
        return host in LOOPBACK
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(text: str, variable: str) -> str:
    """Check and return a base URL: https, or http for loopback only; without user, query and fragment."""
    from nimbus_sdk.config.urls import SYNTAX, split_url

    address = text.strip().rstrip("/")
    try:
        parts = split_url(address)
    except ValueError:
        parts = None
    host = "" if parts is None else parts.hostname or ""
    if parts is None or not _URL_LETTERS.issuperset(address):
        raise ConfigurationError(
            f"{variable} must be https://host[:port][/path], with nothing else in it.",
            hint=f"After https:// write {SYNTAX}.",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(
            f"{variable} must start with https:// (anything else would send the key unprotected); "
            "plain http is allowed for this machine's own loopback addresses only."
        )
    return f"{parts.scheme}{address[len(parts.scheme) :]}"


def _parse_switch(text: str, variable: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | OFF_WORDS:
        raise ConfigurationError(f"{variable} must be 1 or 0.")
    return word in _YES


def _parse_seconds(text: str, variable: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ConfigurationError(f"{variable} must be seconds, more than 0 and less than 86400.")
    return seconds


def _parse_profile(text: str, variable: str) -> str:
    name = text.strip()
    if not (0 < len(name) <= 64) or not _NAME_LETTERS.issuperset(name) or name.startswith("."):
        raise ConfigurationError(f"{variable} must be 1 to 64 letters, digits, dots, dashes or underscores.")
    if name.startswith("nbci_"):
        raise ConfigurationError(f"{variable} is the name of an account, but the value looks like a key.")
    # A home may be on a disk, or come to one, that knows no case and no device names.
    name = name.lower()
    if name.partition(".")[0] in _DEVICE_NAMES or name.endswith("."):
        fault = "must not be the name of a Windows device, such as con, or end in a dot"
        raise ConfigurationError(f"{variable} {fault}.")
    return name


def _parse_repo(text: str, variable: str) -> str:
    parts = text.strip().split("/")
    if len(parts) != 2 or not all(part.strip(".") and _NAME_LETTERS.issuperset(part) for part in parts):
        raise ConfigurationError(f"{variable} must be owner/repo.")
    return text.strip()


def _parse_store(text: str, variable: str) -> str:
    if text.strip().lower() not in CREDENTIAL_STORES:
        from nimbus_sdk.errors.suggestions import list_choices

        raise ConfigurationError(
            f"{variable} must be one of {', '.join(CREDENTIAL_STORES)}.",
            hint=list_choices(text, CREDENTIAL_STORES),
        )
    return text.strip().lower()


def _parse_path(text: str, variable: str) -> str:
    path = text.strip()
    if not path or "\0" in path:
        raise ConfigurationError(f"{variable} must be a path.")
    if path.startswith(("$", "%")):
        raise ConfigurationError(
            f"{variable} starts with a variable ({path[0]}…), which is not expanded.",
            hint="Write the whole path; ~ is expanded.",
        )
    if path.startswith(_QUOTES) or path.endswith(_QUOTES):
        message = f"{variable} has a quotation mark at one end of its path."
        raise ConfigurationError(message, hint="Remove the quotation marks.")
    return os.path.abspath(os.path.expanduser(path))


_TABLE = {
    "api_url": ("NIMBUS_SDK_API_URL", base_url),
    "github_url": ("NIMBUS_SDK_GITHUB_URL", base_url),
    "core_repo": ("NIMBUS_SDK_CORE_REPO", _parse_repo),
    "home": ("NIMBUS_SDK_HOME", _parse_path),
    "profile": ("NIMBUS_SDK_PROFILE", _parse_profile),
    "offline": ("NIMBUS_SDK_OFFLINE", _parse_switch),
    "credential_store": ("NIMBUS_SDK_CREDENTIAL_STORE", _parse_store),
    "key_file": ("NIMBUS_SDK_API_KEY_FILE", _parse_path),
    "timeout": ("NIMBUS_SDK_TIMEOUT", _parse_seconds),
    "no_progress": ("NIMBUS_SDK_NO_PROGRESS", _parse_switch),
    "usage": ("NIMBUS_SDK_USAGE", _parse_switch),
}
