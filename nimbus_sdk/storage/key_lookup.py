"""Finding the API key: every source in its order.

The order: the argument; ``NIMBUS_API_KEY`` in the environment; the same in the nearest ``.env``; the file
that ``NIMBUS_SDK_API_KEY_FILE`` names; the credential store; NimbusSDK.jl's ``~/.nimbus/credentials.toml``;
a hidden prompt if somebody can answer it. The first four are cheap, and nothing else is imported for them:
a start without network reads no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings
from nimbus_sdk.display.terminal import Ask, is_interactive, secret_prompt
from nimbus_sdk.errors import SUPPORT, InvalidKeyFormatError, MissingKeyError
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.storage import key_sources
from nimbus_sdk.storage.key_kind import NIMBUS_BCI
from nimbus_sdk.storage.key_sources import SourceResult, State

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey

PROMPT_ATTEMPTS = 3
_PROMPT_LOCATION = "a terminal or notebook"
_COLUMNS = ("state", "key", "place", "why")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it is from.

    Attributes:
        key: The key; it masks itself.
        source: ``argument``, ``environment``, ``dotenv``, ``key_file``, ``store``, ``julia`` or ``prompt``.
        location: The exact place, as text.
        store: Which credential store it came from, ``keyring`` or ``file``; empty for other sources.
    """

    key: ApiKey
    source: str
    location: str
    store: str = ""


@printable_texts
@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source has; never the key itself.

    Attributes:
        source: As in ``FoundKey``.
        location: The exact place, as text.
        state: ``found`` for the key that is used, ``shadowed`` for one behind it.
        key_masked: The form of the key that may be displayed, or None.
        fingerprint: First 12 hexadecimal digits of the key's SHA-256, or None.
        detail: The reason for the state, as text.
    """

    source: str
    location: str
    state: State
    key_masked: str | None = None
    fingerprint: str | None = None
    detail: str = ""


@printable_texts
@dataclass(frozen=True, slots=True)
class KeyResolution:
    """Every source in its order; true if a key was found.

    Examples:
        >>> resolution = KeyResolution((SourceReport(source="argument", location="-", state="absent"),))
        >>> bool(resolution), resolution.winner
        (False, None)
    """

    sources: tuple[SourceReport, ...]

    @property
    def winner(self) -> SourceReport | None:
        """The source whose key is used, or None."""
        return next((report for report in self.sources if report.state == "found"), None)

    def __bool__(self) -> bool:
        return self.winner is not None

    def __str__(self) -> str:
        from nimbus_sdk.display import tables

        return f"{self._title}\n{tables.format_table(_COLUMNS, self._rows())}"

    def _repr_html_(self) -> str:
        from nimbus_sdk.display import tables

        return tables.table_html(self._title, _COLUMNS, self._rows())

    @property
    def _title(self) -> str:
        winner = self.winner
        result = "none was found" if winner is None else f"{winner.key_masked} from {winner.location}"
        return f"Nimbus API key: {result}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(report.state, report.key_masked, report.location, report.detail) for report in self.sources]

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        winner = self.winner
        return {
            "found": winner is not None,
            "source": None if winner is None else winner.source,
            "sources": [asdict(report) for report in self.sources],
        }


def find_key(
    settings: Settings,
    given: str | ApiKey | None = None,
    *,
    prompt: Ask | None = None,
    patience: float | None = None,
) -> FoundKey:
    """Return the key of the first source that has one.

    A stored key is returned only for the API that accepted it.

    Args:
        given: The caller's own argument.
        prompt: Asks for the key; it gets what was wrong with the previous answer, and returns the new one, or
            None or an empty one if none is given. The hidden prompt of the terminal or notebook if omitted;
            ``no_prompt`` asks nobody.
        patience: Seconds that the keyring may take, as for ``KeyringStore``.

    Raises:
        InvalidKeyFormatError: The first source that has something has no key. The message names it.
        ConfigurationError: A file that was named cannot be read.
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: No source has one.
    """
    argument, given = key_sources.read_argument(given), None
    result, notes = key_sources.first_found(_read_all(settings, argument, patience))
    found = _found_key(result)
    if found is not None:
        return found
    key = _prompt_key(settings, prompt)
    if key is not None:
        return FoundKey(key, "prompt", _PROMPT_LOCATION)
    raise MissingKeyError(f"No API key was found. {notes}".rstrip())


def find_key_without_store(settings: Settings, given: str | ApiKey | None = None) -> ApiKey | None:
    """Return the key of the first four sources, as ``find_key`` does, or None: no store, no prompt."""
    argument, given = key_sources.read_argument(given), None
    result, _ = key_sources.first_found(_read_without_store(settings, argument))
    return None if result is None else result.key


def find_stored_key(settings: Settings) -> FoundKey:
    """Return the profile's key of the credential store, whatever the environment says.

    Raises:
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: None is stored, or the one that is was accepted by another API.
    """
    result, notes = key_sources.first_found([key_sources.read_store(settings, settings.api_url, NIMBUS_BCI)])
    found = _found_key(result)
    if found is None:
        missing = f"There is no stored key for this API in profile {settings.profile}."
        raise MissingKeyError(f"{missing} {notes}".rstrip())
    return found


def explain(settings: Settings) -> KeyResolution:
    """Report what every source has, in order, without a prompt; a source's fault is reported and not raised.

    Behind a source that decides, the stored key is known by its metadata, so no keyring is opened.
    """
    results = list(_read_without_store(settings, key_sources.read_argument(None)))
    known = key_sources.read_store_metadata(settings) if any(result.is_final for result in results) else None
    results.append(known or key_sources.read_store(settings, settings.api_url, NIMBUS_BCI))
    results.append(key_sources.read_julia_credentials(settings))
    results.append(SourceResult("prompt", _PROMPT_LOCATION, "skipped", detail="asked only when needed"))
    first = next((result for result in results if result.is_final), None)
    return KeyResolution(tuple(_report(result, first) for result in results))


def _read_without_store(settings: Settings, argument: SourceResult[ApiKey]) -> Iterator[SourceResult[ApiKey]]:
    yield argument
    yield key_sources.read_environment(os.environ, KEY_VARIABLE, parse_key)
    yield key_sources.read_dotenv(settings, KEY_VARIABLE, parse_key)
    yield key_sources.read_key_file(settings)


def _read_all(
    settings: Settings, argument: SourceResult[ApiKey], patience: float | None
) -> Iterator[SourceResult[ApiKey]]:
    yield from _read_without_store(settings, argument)
    yield key_sources.read_store(settings, settings.api_url, NIMBUS_BCI, patience)
    yield key_sources.read_julia_credentials(settings)


def _found_key(result: SourceResult[ApiKey] | None) -> FoundKey | None:
    if result is None or result.key is None:
        return None
    return FoundKey(result.key, result.source, result.location, store=result.store)


def _report(result: SourceResult[ApiKey], first: SourceResult[ApiKey] | None) -> SourceReport:
    read = None if result.key is None else (result.key.masked, result.key.fingerprint)
    masked, fingerprint = read or result.masked_key or (None, None)
    state, detail = result.state, result.detail
    if state == "found" and first is not None and first is not result:
        state, detail = "shadowed", f"{first.location} comes first"
    return SourceReport(result.source, result.location, state, masked, fingerprint, detail)


@contextmanager
def key_prompt(settings: Settings) -> Iterator[Ask]:
    """Yield what asks for the key at the terminal or in the notebook; it gives none if nobody can answer."""
    # Offline, a key is of no use: nobody is asked for one.
    if settings.offline or not is_interactive():
        yield no_prompt
        return
    label = f"Nimbus API key for {settings.api_url}"
    with secret_prompt(label, introduction=f"To request a key, write to {SUPPORT}.", button="Use key") as ask:
        yield ask


def no_prompt(problem: str) -> str | None:
    """Ask nobody: the ``prompt`` of ``find_key`` for work that must not wait for a user."""
    return None


def _prompt_key(settings: Settings, prompt: Ask | None) -> ApiKey | None:
    if prompt is None:
        with key_prompt(settings) as ask:
            return _prompt_key(settings, ask)
    problem = ""
    for remaining in reversed(range(PROMPT_ATTEMPTS)):
        answer = _ask(prompt, problem)
        if not isinstance(answer, InvalidKeyFormatError):
            return answer
        if not remaining:
            raise answer
        problem = answer.message
    return None


def _ask(prompt: Ask, problem: str) -> ParsedKey:
    text = prompt(problem)
    return parse_key(text.strip() or None) if text else None
