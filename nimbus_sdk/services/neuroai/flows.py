"""NeuroAI: the whole life of its keys, as flows.

Source: the section "Endpoints Summary" of the NeuroAI documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from nimbus_sdk.errors import (
    AnswerLostError,
    ApiError,
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    KeyNotFoundError,
    NimbusConnectionError,
    NimbusError,
    NimbusTimeoutError,
    ResponseFormatError,
    ServerError,
)
from nimbus_sdk.services.base.connection import Link, Params, content
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.neuroai import wire as wire
from nimbus_sdk.services.neuroai.models import IssuedKey, KeyCheck, KeyInfo
from nimbus_sdk.services.neuroai.secrets import is_secret, kept, never_arrived, unresolved
from nimbus_sdk.services.rotation import stored_key
from nimbus_sdk.storage.credentials import MemoryStore
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, Response, run_blocking, sleep

NEUROAI = System(
    name="NeuroAI",
    entry="neuroai",
    key_variable="NEUROAI_API_KEY",
    url_variable="NEUROAI_URL",
    url=None,
    portal="the NeuroAI dashboard (Settings, Users and Teams, API Keys)",
    header="Authorization",
    prefix="Bearer ",
)
_SLACK = timedelta(seconds=2)
"""Times on the wire may be cut to whole seconds, and the clock's offset is no better."""

_MOST_DAYS = 36_500
_LOCK_POLL_SECONDS = 0.1
_LOCK_POLLS = 300


class Conversations:
    """What both clients say."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._own: tuple[ServiceKey, str] | None = None

    def request(
        self, method: str, path: str, params: Params | None, json: object, request_id: str | None
    ) -> Flow[object]:
        """Call a resource; see ``NeuroAI.request``."""
        answer = yield from self.link.exchange(method, path, params=params, json=json, request_id=request_id)
        return content(answer)

    def verify(self) -> Flow[KeyCheck]:
        """Ask whether the key in use is valid, and which one it is."""
        answer = yield from self.link.exchange("GET", wire.VERIFY)
        valid, key = wire.verified(answer)
        if not valid:
            raise InvalidKeyError("NeuroAI says that this key is not valid.", status=answer.status)
        self._own = None if key is None else ((yield from run_blocking(self.link.found)).key, key.id)
        return KeyCheck(key=key)

    def save_key(self) -> Flow[str]:
        """Store the key in use, once it was found valid."""
        yield from self.verify()
        return (yield from stored_key.save(self.link))

    def restore_key(self) -> Flow[str]:
        """Bring back the key that was stored before."""
        return (yield from stored_key.restore(self.link))

    def forget_key(self) -> Flow[bool]:
        """Remove the stored key."""
        return (yield from stored_key.forget(self.link))

    def page(self, size: int, walk: wire.Walk) -> Flow[tuple[KeyInfo, ...]]:
        """The next page of the list."""
        params: Params = {"limit": size, "cursor": walk.cursor}
        return wire.page((yield from self.link.exchange("GET", wire.KEYS, params=params)), walk)

    def get_key(self, key_id: str) -> Flow[KeyInfo]:
        """One key."""
        return wire.key_info((yield from self._of_key("GET", key_id)))

    def update_key(self, key_id: str, fields: wire.KeyFields) -> Flow[KeyInfo]:
        """Change what is set of a key."""
        return wire.key_info((yield from self._of_key("PATCH", key_id, json=fields.body())))

    def delete_key(self, key_id: str) -> Flow[None]:
        """End a key for good."""
        try:
            yield from self._of_key("DELETE", key_id)
        except KeyNotFoundError as error:
            # The first attempt has done it, and only its answer was lost.
            if not error.answer_lost:
                raise
        except InvalidKeyError as error:
            # A key that ends itself: the answer to the first attempt was lost, and the repeat is refused.
            was_valid = self._own == ((yield from run_blocking(self.link.found)).key, key_id)
            if not was_valid or error.code is None:
                error.hint = f"If it is the key in use that was to be deleted, it has ended. {error.hint}"
                raise

    def create_key(self, fields: wire.KeyFields, save: bool) -> Flow[IssuedKey]:
        """Make a key; a lost answer is looked for in the list before anything is sent again."""
        body = fields.body()
        stored = (yield from self._stored()) if save else None
        began, may_send_again = datetime.now(UTC), True
        while True:
            try:
                answer = yield from self.link.exchange("POST", wire.KEYS, json=body)
                info, secret = wire.issued(answer, self.link.system, {"name": str(body["name"])})
                break
            except (NimbusConnectionError, ServerError, ResponseFormatError) as lost:
                yield from self._check_not_made(str(body["name"]), began, lost)
                if not may_send_again:
                    raise
                may_send_again = False
        return (yield from self._handed_over(info, secret, save=save, instead_of=stored))

    def rotate_key(self, key_id: str, save: bool) -> Flow[IssuedKey]:
        """Give a key a new secret; where it is the key in use, the new one is used from now on."""
        own = (yield from self.verify()).key
        is_own = own is not None and own.id == key_id
        used = yield from run_blocking(self.link.found)
        # A stored key that was just ended would fail in every other process.
        save = save or (is_own and used.source == "store")
        stored = (yield from self._stored()) if save else None
        known = {"id": key_id, "name": own.name if own is not None and is_own else ""}
        info, secret = yield from self._rotated(key_id, known, is_own=is_own)
        if is_own:
            self.link.adopt(secret, "store" if used.source == "store" else "argument")
            stored = None if stored == used.key else stored
        return (yield from self._handed_over(info, secret, save=save, instead_of=stored))

    def rotate_if_older_than(self, days: float, key_id: str | None, save: bool) -> Flow[IssuedKey | None]:
        """Rotate a key whose secret is older than so many days; the key in use where none is named."""
        if not 0 < days <= _MOST_DAYS:
            raise ConfigurationError(
                f"days must be above 0, and at most {_MOST_DAYS}.", hint="The documentation advises 90."
            )
        with Lock(f"{self.link.slot.settings.paths.rotation}.lock") as lock:
            yield from _taken(lock)
            # Another process may have rotated the stored key while this one waited.
            self.link.look_again()
            checked = yield from self.verify()
            info = checked.key if key_id is None else (yield from self.get_key(key_id))
            if info is None or info.secret_since is None:
                raise ResponseFormatError(
                    "NeuroAI does not tell since when this key has had its secret.",
                    hint="Rotate it by its id: rotate_key(key_id).",
                )
            if self._now() - info.secret_since < timedelta(days=days):
                return None
            return (yield from self.rotate_key(info.id, save))

    def _of_key(self, method: str, key_id: str, action: str = "", json: object = None) -> Flow[Response]:
        path = wire.key_path(key_id, action)
        # In a URL, a key would end up in the logs of everyone on the way.
        if is_secret(key_id.strip(), (yield from run_blocking(self.link.found)).key):
            raise ConfigurationError(
                "That is a key, and not a key's id; it was not sent.", hint="List the keys to see their ids."
            )
        try:
            return (yield from self.link.exchange(method, path, json=json))
        except ApiError as error:
            if error.status != 404:
                raise
            missing = KeyNotFoundError(
                f"NeuroAI has no key {key_id[:80]!r}.",
                status=404,
                request_id=error.request_id,
                hint="List the keys to see their ids.",
            )
            missing.answer_lost = error.answer_lost
        raise missing

    def _check_not_made(self, name: str, began: datetime, lost: NimbusError) -> Flow[None]:
        """Come back only where the lost request has made no key and will make none."""
        if never_arrived(lost):
            raise lost
        try:
            made = yield from self._made_since(name, began)
        except NimbusError as error:
            raise AnswerLostError(
                f"The answer to the creation of {name!r} was lost ({lost.message}), and the list of keys "
                f"cannot be read ({error.message}), so nobody knows whether it was made.",
                hint="Look at the list before you try again.",
            ) from None
        if made or isinstance(lost, NimbusTimeoutError):
            raise unresolved(name, made, lost)

    def _made_since(self, name: str, began: datetime) -> Flow[tuple[str, ...]]:
        found: list[str] = []
        walk = wire.Walk()
        while not walk.ended:
            keys = yield from self.page(100, walk)
            since = began + self._clock_offset - _SLACK
            found += [key.id for key in keys if key.name == name and (key.created_at or since) >= since]
        return tuple(found)

    def _rotated(
        self, key_id: str, known: Mapping[str, str], *, is_own: bool
    ) -> Flow[tuple[KeyInfo, ServiceKey]]:
        lost: NimbusError
        try:
            answer = yield from self._of_key("POST", key_id, "/rotate", json={})
            return wire.issued(answer, self.link.system, known)
        except (NimbusConnectionError, ServerError, ResponseFormatError) as error:
            lost = error
            if never_arrived(error):
                raise
        try:
            # A second rotation ends the secret that the lost answer carried, which nobody has.
            if not isinstance(lost, NimbusTimeoutError):
                answer = yield from self._of_key("POST", key_id, "/rotate", json={})
                return wire.issued(answer, self.link.system, known)
        except NimbusError as error:
            lost = error
        own = "It is the key in use, so make a new one in the dashboard if the next call is refused."
        raise AnswerLostError(
            f"The answer to the rotation of {key_id} was lost ({lost.message}); its old secret may be dead.",
            left_behind=(key_id,),
            hint=own if is_own else "Rotate it again: that gives a new secret and ends the one before.",
        )

    def _stored(self) -> Flow[ServiceKey | None]:
        """What a new secret will be stored in place of; a store that cannot take it makes no secret."""
        if self.link.settings.credential_store == MemoryStore.name:
            raise CredentialStoreError(
                "NIMBUS_SDK_CREDENTIAL_STORE is none: a secret cannot be stored, so none was asked for.",
                hint="Choose another store, or ask for the secret without storing it.",
            )
        return (yield from run_blocking(self.link.slot.read)).key

    def _handed_over(
        self, info: KeyInfo, secret: ServiceKey, *, save: bool, instead_of: ServiceKey | None
    ) -> Flow[IssuedKey]:
        issued = IssuedKey(info=info, secret=SecretStr(secret.reveal()))
        if not save:
            return issued
        slot, origin = self.link.slot, self.link.origin
        # A key that lives on stays at hand; one that this secret has just ended does not.
        keep = slot.save if instead_of is None else slot.supersede
        masked = "" if instead_of is None else instead_of.masked
        return (yield from kept(issued, lambda: keep(secret, origin), replaced=masked))

    @property
    def _clock_offset(self) -> timedelta:
        return timedelta(seconds=self.link.clock_offset or 0.0)

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._clock_offset

    def __repr__(self) -> str:
        return repr(self.link)


def _taken(lock: Lock) -> Flow[None]:
    for _ in range(_LOCK_POLLS):
        try:
            free = yield from run_blocking(lock.try_acquire)
        except OSError as error:
            raise ConfigurationError(
                f"The lock {lock.path} cannot be made ({error.strerror or error}).",
                hint="Check the permissions of its folder, or set NIMBUS_SDK_HOME.",
            ) from None
        if free:
            return
        yield from sleep(_LOCK_POLL_SECONDS)
    raise ConfigurationError(
        "Another process has been rotating this key for half a minute.", hint="Run it again when it is done."
    )
