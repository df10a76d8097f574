"""NeuroAI: the whole life of its keys, as flows.

Source: the section "Endpoints Summary" of the NeuroAI documentation.
"""

from __future__ import annotations

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
from nimbus_sdk.services import kept_key
from nimbus_sdk.services import neuroai_wire as wire
from nimbus_sdk.services.link import Link, Params, content
from nimbus_sdk.services.neuroai_models import IssuedKey, KeyCheck, KeyInfo
from nimbus_sdk.services.service_key import ServiceKey
from nimbus_sdk.services.system import System
from nimbus_sdk.store import files
from nimbus_sdk.store.credentials import MemoryStore
from nimbus_sdk.transport.flow import Answer, Flow, pause, work

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

_LOCK_POLL_SECONDS = 0.1
_LOCK_POLLS = 300


class Conversations:
    """What both clients say."""

    def __init__(self, link: Link) -> None:
        self.link = link

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
        return KeyCheck(key=key)

    def save_key(self) -> Flow[str]:
        """Store the key in use, once it was found valid."""
        yield from self.verify()
        return (yield from kept_key.save(self.link))

    def restore_key(self) -> Flow[str]:
        """Bring back the key that was stored before."""
        return (yield from kept_key.restore(self.link))

    def forget_key(self) -> Flow[bool]:
        """Remove the stored key."""
        return (yield from kept_key.forget(self.link))

    def page(self, size: int, cursor: str | None) -> Flow[wire.KeyPage]:
        """One page of the list."""
        params: Params = {"limit": size, "cursor": cursor}
        page = wire.page((yield from self.link.exchange("GET", wire.KEYS, params=params)))
        if page.cursor is not None and page.cursor == cursor:
            raise ResponseFormatError("The service's list of keys has a page that leads to itself.")
        return page

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

    def create_key(self, fields: wire.KeyFields, save: bool) -> Flow[IssuedKey]:
        """Make a key; a lost answer is looked for in the list before anything is sent again."""
        body = fields.body()
        if save:
            yield from work(self.link.slot.read)
        began, may_send_again = datetime.now(UTC), True
        while True:
            try:
                answer = yield from self.link.exchange("POST", wire.KEYS, json=body)
                info, secret = wire.issued(answer, self.link.system)
                break
            except (NimbusConnectionError, ServerError, ResponseFormatError) as lost:
                yield from self._check_not_made(str(body["name"]), began, lost)
                if not may_send_again:
                    raise
                may_send_again = False
        return (yield from self._issued(info, secret, save=save, ends_own=False))

    def rotate_key(self, key_id: str, save: bool) -> Flow[IssuedKey]:
        """Give a key a new secret; where it is the key in use, the new one is used from now on."""
        own = (yield from self.verify()).key
        is_own = own is not None and own.id == key_id
        if save:
            yield from work(self.link.slot.read)
        info, secret = yield from self._rotated(key_id, is_own=is_own)
        stored = is_own and (yield from work(self.link.found)).source == "store"
        if is_own:
            self.link.adopt(secret, "store" if stored else "argument")
        # A stored key that was just ended would fail in every other process.
        return (yield from self._issued(info, secret, save=save or stored, ends_own=is_own))

    def rotate_if_older_than(self, days: float, key_id: str | None, save: bool) -> Flow[IssuedKey | None]:
        """Rotate a key whose secret is older than so many days; the key in use where none is named."""
        if not days > 0:
            raise ConfigurationError("days must be above 0.", hint="The documentation advises 90.")
        with files.Lock(f"{self.link.slot.places.rotation}.lock") as lock:
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

    def _of_key(self, method: str, key_id: str, action: str = "", json: object = None) -> Flow[Answer]:
        path = wire.key_path(key_id, action)
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
        if _never_arrived(lost):
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
            raise _unresolved(name, made, lost)

    def _made_since(self, name: str, began: datetime) -> Flow[tuple[str, ...]]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = yield from self.page(100, cursor)
            since = began + self._clock_offset - _SLACK
            found += [key.id for key in page.keys if key.name == name and (key.created_at or since) >= since]
            cursor = page.cursor
            if cursor is None:
                return tuple(found)

    def _rotated(self, key_id: str, *, is_own: bool) -> Flow[tuple[KeyInfo, ServiceKey]]:
        lost: NimbusError
        try:
            answer = yield from self._of_key("POST", key_id, "/rotate", json={})
            return wire.issued(answer, self.link.system)
        except (NimbusConnectionError, ServerError, ResponseFormatError) as error:
            lost = error
            if _never_arrived(error):
                raise
        try:
            # A second rotation ends the secret that the lost answer carried, which nobody has.
            if not isinstance(lost, NimbusTimeoutError):
                answer = yield from self._of_key("POST", key_id, "/rotate", json={})
                return wire.issued(answer, self.link.system)
        except NimbusError as error:
            lost = error
        own = "It is the key in use, so make a new one in the dashboard if the next call is refused."
        raise AnswerLostError(
            f"The answer to the rotation of {key_id} was lost ({lost.message}); its old secret may be dead.",
            left_behind=(key_id,),
            hint=own if is_own else "Rotate it again: that gives a new secret and ends the one before.",
        )

    def _issued(self, info: KeyInfo, secret: ServiceKey, *, save: bool, ends_own: bool) -> Flow[IssuedKey]:
        shown = SecretStr(secret.reveal())
        if not save:
            return IssuedKey(info=info, secret=shown)
        slot, origin = self.link.slot, self.link.origin
        keep = slot.save if ends_own else slot.supersede
        try:
            choice = yield from work(lambda: keep(secret, origin))
        except CredentialStoreError as error:
            # Raised, it would take the secret with it, which nobody can ask for again.
            return IssuedKey(info=info, secret=shown, not_saved=str(error))
        if choice.store.name == MemoryStore.name:
            return IssuedKey(info=info, secret=shown, not_saved="NIMBUS_SDK_CREDENTIAL_STORE is none.")
        return IssuedKey(info=info, secret=shown, saved_in=choice.store.name)

    @property
    def _clock_offset(self) -> timedelta:
        return timedelta(seconds=self.link.clock_offset or 0.0)

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._clock_offset

    def __repr__(self) -> str:
        return repr(self.link)


def _never_arrived(error: NimbusError) -> bool:
    return isinstance(error, NimbusConnectionError) and not (error.passing and error.sent)


def _taken(lock: files.Lock) -> Flow[None]:
    for _ in range(_LOCK_POLLS):
        try:
            free = yield from work(lock.try_acquire)
        except OSError as error:
            raise ConfigurationError(
                f"The lock {lock.path} cannot be made ({error.strerror or error}).",
                hint="Check the permissions of its folder, or set NIMBUS_SDK_HOME.",
            ) from None
        if free:
            return
        yield from pause(_LOCK_POLL_SECONDS)
    raise ConfigurationError(
        "Another process has been rotating this key for half a minute.", hint="Run it again when it is done."
    )


def _unresolved(name: str, made: tuple[str, ...], lost: NimbusError) -> AnswerLostError:
    if not made:
        return AnswerLostError(
            f"NeuroAI did not answer the creation of {name!r} in time. It is not in the list so far, and may "
            f"still be made ({lost.message}).",
            hint="Look at the list in a minute, before you try again.",
        )
    listed = " or ".join(made)
    return AnswerLostError(
        f"The answer to the creation of {name!r} was lost ({lost.message}), and with it the secret. The list "
        f"has a key of that name that is as new: {listed}.",
        left_behind=made,
        hint=f"If it is yours, rotate it for a new secret, rotate_key({made[0]!r}), or delete it.",
    )
