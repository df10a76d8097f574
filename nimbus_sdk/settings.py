"""Settings: arguments, then the environment, then the nearest ``.env``, then the defaults.

The offline path reads this module, so it imports nothing heavy; python-dotenv is loaded only where a
``.env`` with a ``NIMBUS_`` line was found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from nimbus_sdk.errors import ConfigurationError

KEY_VARIABLE = "NIMBUS_API_KEY"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CREDENTIAL_STORES = ("keyring", "file", "none")
_DOTENV_LIMIT = 64 * 1024
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured, decided once and handed on whole.

    Attributes:
        api_url: Base URL of the Nimbus API, without a trailing slash.
        github_url: Base URL of the GitHub API, likewise.
        core_repo: ``owner/repo`` that publishes the core.
        home: One folder for all that the SDK keeps, or None for the platform's own folders.
        profile: Which account.
        offline: Not one network call, whatever is asked.
        credential_store: ``keyring``, ``file``, ``none``, or None to choose by what works.
        key_file: A mounted file that holds the key, or None.
        timeout: Seconds for one whole call, retries included.
        no_progress: No progress bars.
        dotenv: Path of the ``.env`` that was read, or None.

    Example:
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
    dotenv: str | None = None

    @classmethod
    def load(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        directory: str | None = None,
        **given: object,
    ) -> Settings:
        """Resolve every setting.

        Args:
            environ: The environment; ``os.environ`` where left out.
            directory: Where the search for ``.env`` starts; the working directory where left out.
            **given: Settings by field name that win over everything; None means not given.

        Raises:
            ConfigurationError: A value cannot be used; the message names the variable.
        """
        environ = os.environ if environ is None else environ
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            raise ConfigurationError(f"Unknown setting: {', '.join(sorted(unknown))}.")
        dotenv = nearest_dotenv(directory)
        texts = {**dotenv_values(dotenv), **environ}
        chosen = {
            name: read(texts[variable], variable)
            for name, (variable, read) in _TABLE.items()
            if variable in texts
        }
        chosen |= {name: _checked(name, value) for name, value in given.items() if value is not None}
        return cls(dotenv=dotenv, **chosen)  # type: ignore[arg-type]


def nearest_dotenv(directory: str | None = None) -> str | None:
    """The ``.env`` that counts for a folder, or None.

    Upwards from the folder, never past one that holds ``.git`` or ``pyproject.toml``, never the home
    folder's own, and in a parent folder only one that belongs to this user or to root.
    """
    try:
        start = folder = os.path.abspath(directory or os.getcwd())
    except OSError:
        return None
    home = os.path.expanduser("~")
    while folder != home:
        candidate = os.path.join(folder, ".env")
        if os.path.isfile(candidate) and (folder == start or _owned_by_us(candidate)):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder or any(
            os.path.exists(os.path.join(folder, mark)) for mark in (".git", "pyproject.toml")
        ):
            return None
        folder = parent
    return None


def dotenv_values(path: str | None) -> dict[str, str]:
    """The ``NIMBUS_`` lines of a ``.env``, as values; nothing is written into ``os.environ``.

    Raises:
        ConfigurationError: The file cannot be read, or is no text.
    """
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            content = file.read(_DOTENV_LIMIT)
        if b"NIMBUS_" not in content:
            return {}
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The file {path} cannot be read ({type(error).__name__}).") from None
    from io import StringIO

    from dotenv import dotenv_values as parse

    values = parse(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if name.startswith("NIMBUS_") and value is not None}


def origin(url: str) -> str:
    """Scheme, host and port of a URL: what a credential is bound to.

    Example:
        >>> origin("https://API.nimbusbci.com/v1/auth")
        'https://api.nimbusbci.com:443'
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def base_url(text: str, variable: str) -> str:
    """Check a base URL: https, or http for loopback only; no user, query or fragment.

    Raises:
        ConfigurationError: It is none of these.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{variable} is not a URL.") from None
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(f"{variable} must be https://host[:port][/path], with nothing else in it.")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ConfigurationError(
            f"{variable} must start with https:// ({parts.scheme}://{host} would send the key unprotected); "
            "plain http is allowed for this machine's own loopback addresses only."
        )
    return text.strip().rstrip("/")


def _owned_by_us(path: str) -> bool:
    return os.name == "nt" or os.stat(path).st_uid in (os.geteuid(), 0)


def _switch(text: str, variable: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ConfigurationError(f"{variable} must be 1 or 0, not {text!r}.")
    return word in _YES


def _seconds(text: str, variable: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ConfigurationError(f"{variable} must be seconds between 0 and 86400, not {text!r}.")
    return seconds


def _profile(text: str, variable: str) -> str:
    name = text.strip()
    if not (0 < len(name) <= 64) or not set(name) <= _PROFILE_LETTERS or name.startswith("."):
        raise ConfigurationError(f"{variable} must be 1 to 64 letters, digits, dots, dashes or underscores.")
    return name


def _repo(text: str, variable: str) -> str:
    owner, slash, repo = text.strip().partition("/")
    if not slash or not owner or not repo or not set(owner + repo) <= _PROFILE_LETTERS or ".." in text:
        raise ConfigurationError(f"{variable} must be owner/repo, not {text!r}.")
    return text.strip()


def _store(text: str, variable: str) -> str:
    if text.strip().lower() not in CREDENTIAL_STORES:
        raise ConfigurationError(f"{variable} must be one of {', '.join(CREDENTIAL_STORES)}, not {text!r}.")
    return text.strip().lower()


def _path(text: str, variable: str) -> str:
    if not text.strip() or "\0" in text:
        raise ConfigurationError(f"{variable} must be a path.")
    return os.path.abspath(os.path.expanduser(text))


def _checked(name: str, value: object) -> object:
    _, read = _TABLE[name]
    return value if isinstance(value, bool) else read(str(value), name)


_PROFILE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_TABLE = {
    "api_url": ("NIMBUS_SDK_API_URL", base_url),
    "github_url": ("NIMBUS_SDK_GITHUB_URL", base_url),
    "core_repo": ("NIMBUS_SDK_CORE_REPO", _repo),
    "home": ("NIMBUS_SDK_HOME", _path),
    "profile": ("NIMBUS_SDK_PROFILE", _profile),
    "offline": ("NIMBUS_SDK_OFFLINE", _switch),
    "credential_store": ("NIMBUS_SDK_CREDENTIAL_STORE", _store),
    "key_file": ("NIMBUS_SDK_API_KEY_FILE", _path),
    "timeout": ("NIMBUS_SDK_TIMEOUT", _seconds),
    "no_progress": ("NIMBUS_SDK_NO_PROGRESS", _switch),
}
