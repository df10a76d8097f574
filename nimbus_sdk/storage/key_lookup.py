"""Where the API key comes from: every source in its order, and what each of them has.

The order: the argument; ``NIMBUS_API_KEY`` in the environment; the same in the nearest ``.env``; the file
that ``NIMBUS_SDK_API_KEY_FILE`` names; the credential store; NimbusSDK.jl's ``~/.nimbus/credentials.toml``;
a hidden prompt where somebody can answer it. The first four are cheap, and nothing else is imported for
them: a start without network reads no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.display.terminal import is_interactive, print_notice, prompt_hidden
from nimbus_sdk.errors import InvalidKeyFormatError, MissingKeyError
from nimbus_sdk.storage.key_sources import (
    SourceResult,
    State,
    in_argument,
    in_dotenv,
    in_environment,
    in_julia,
    in_key_file,
    in_store,
    noted_in_card,
)

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey

PROMPT_TRIES = 3
_PROMPT_PLACE = "a terminal or notebook"
_COLUMNS = ("state", "key", "place", "why")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key that counts, and where it is from.

    Attributes:
        key: The key; it masks itself.
        source: ``argument``, ``environment``, ``dotenv``, ``key_file``, ``store``, ``julia`` or ``prompt``.
        location: The exact place, in words.
        store: Which of the SDK's own stores it came from, ``keyring`` or ``file``; empty for other sources.
    """

    key: ApiKey
    source: str
    location: str
    store: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What one source has; never the key itself.

    Attributes:
        source: As in :class:`FoundKey`.
        location: The exact place, in words.
        state: ``found`` for the one that counts, ``shadowed`` for a key behind it.
        key_masked: What people may see of the key, or None.
        fingerprint: First 12 hexadecimal digits of the key's SHA-256, or None.
        detail: Why it is so, in words.
    """

    source: str
    location: str
    state: State
    key_masked: str | None = None
    fingerprint: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class KeyResolution:
    """Every source in its order; true where a key was found.

    Example:
        >>> resolution = KeyResolution((SourceReport(source="argument", location="-", state="absent"),))
        >>> bool(resolution), resolution.winner
        (False, None)
    """

    sources: tuple[SourceReport, ...]

    @property
    def winner(self) -> SourceReport | None:
        """The source whose key counts, or None."""
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
        told = "none was found" if winner is None else f"{winner.key_masked} from {winner.location}"
        return f"Nimbus API key: {told}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(one.state, one.key_masked, one.location, one.detail) for one in self.sources]

    def to_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
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
    environ: Mapping[str, str] | None = None,
    prompt: Callable[[], str] | None = None,
) -> FoundKey:
    """The key that counts: the first source that has one.

    A stored key is handed out only for the API at which it was found valid.

    Args:
        given: The caller's own argument.
        environ: The environment; ``os.environ`` where left out.
        prompt: Asks a person; the hidden prompt of the terminal or notebook where left out. An empty
            answer means that none is given, so ``prompt=str`` never asks.

    Raises:
        InvalidKeyFormatError: The first source that has something has no key. The message names it.
        ConfigurationError: A file that was named cannot be read.
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: No source has one.

    Example:
        >>> settings = Settings()
        >>> find_key(settings, "nbci_test_" + "0123456789ab" * 4).location
        'the argument'
    """
    passed: list[SourceResult] = []
    argument, given = in_argument(given), None
    for seen in _all_sightings(settings, argument, environ):
        found = _key_of(seen)
        if found is not None:
            return found
        passed.append(seen)
    key = _from_prompt(settings, prompt)
    if key is not None:
        return FoundKey(key, "prompt", _PROMPT_PLACE)
    notes = " ".join(seen.note for seen in passed if seen.note)
    raise MissingKeyError(f"No API key was found. {notes}".rstrip())


def find_key_without_store(
    settings: Settings,
    given: str | ApiKey | None = None,
    environ: Mapping[str, str] | None = None,
) -> FoundKey | None:
    """The key of the first four sources: no credential store, no prompt; None where they have none.

    Args:
        given: The caller's own argument.
        environ: The environment; ``os.environ`` where left out.

    Raises:
        InvalidKeyFormatError: As for :func:`find_key`.
        ConfigurationError: As for :func:`find_key`.

    Example:
        >>> environ = {"NIMBUS_API_KEY": "nbci_test_" + "0123456789ab" * 4}
        >>> find_key_without_store(Settings(), environ=environ).source
        'environment'
    """
    argument, given = in_argument(given), None
    found = (_key_of(seen) for seen in _cheap_sightings(settings, argument, environ))
    return next((key for key in found if key is not None), None)


def explain(settings: Settings, environ: Mapping[str, str] | None = None) -> KeyResolution:
    """What every source has, in order; nobody is asked, and nothing is raised for a source's fault.

    Where an earlier source decides, the stored key is known from its card, so no keyring is opened.

    Args:
        environ: The environment; ``os.environ`` where left out.
    """
    seen = list(_cheap_sightings(settings, in_argument(None), environ))
    known = noted_in_card(settings) if any(one.decides for one in seen) else None
    seen.append(known or in_store(settings))
    seen.append(in_julia(settings))
    seen.append(
        SourceResult(
            source="prompt", location=_PROMPT_PLACE, state="skipped", detail="asked only when needed"
        )
    )
    first = next((one for one in seen if one.decides), None)
    return KeyResolution(tuple(_report(one, first) for one in seen))


def _cheap_sightings(
    settings: Settings, argument: SourceResult, environ: Mapping[str, str] | None
) -> Iterator[SourceResult]:
    yield argument
    yield in_environment(os.environ if environ is None else environ)
    yield in_dotenv(settings)
    yield in_key_file(settings)


def _all_sightings(
    settings: Settings, argument: SourceResult, environ: Mapping[str, str] | None
) -> Iterator[SourceResult]:
    yield from _cheap_sightings(settings, argument, environ)
    yield in_store(settings)
    yield in_julia(settings)


def _key_of(seen: SourceResult) -> FoundKey | None:
    if seen.error is not None:
        raise seen.error
    if seen.key is None or seen.state != "found":
        return None
    return FoundKey(seen.key, seen.source, seen.location, store=seen.store)


def _report(seen: SourceResult, first: SourceResult | None) -> SourceReport:
    read = None if seen.key is None else (seen.key.masked, seen.key.fingerprint)
    masked, fingerprint = read or seen.shown or (None, None)
    state, detail = seen.state, seen.detail
    if state == "found" and first is not None and first is not seen:
        state, detail = "shadowed", f"{first.location} comes first"
    return SourceReport(
        source=seen.source,
        location=seen.location,
        state=state,
        key_masked=masked,
        fingerprint=fingerprint,
        detail=detail,
    )


def _from_prompt(settings: Settings, prompt: Callable[[], str] | None) -> ApiKey | None:
    if prompt is None and not is_interactive():
        return None
    label = f"Nimbus API key for {settings.api_url} (hidden; Enter for none): "
    tries = 0
    while True:
        answer = _answer(label, prompt)
        if not isinstance(answer, InvalidKeyFormatError):
            return answer
        tries += 1
        if tries == PROMPT_TRIES:
            raise answer
        print_notice(answer.message)


def _answer(label: str, prompt: Callable[[], str] | None) -> ParsedKey:
    text = prompt_hidden(label) if prompt is None else prompt()
    return parse_key(text.strip() or None) if text else None
