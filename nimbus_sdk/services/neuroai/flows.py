"""The NeuroAI calls as flows.

Source: the section "Endpoints Summary" of the NeuroAI documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from nimbus_sdk import errors
from nimbus_sdk.services.base.connection import Connection, Params, parse_content
from nimbus_sdk.services.base.service import Service, ServiceKey
from nimbus_sdk.services.neuroai import wire
from nimbus_sdk.services.neuroai.schemas import KEEP, IssuedKey, Keep, KeyCheck, KeyInfo, KeyType, RateLimit
from nimbus_sdk.services.rotation import key_flows
from nimbus_sdk.services.rotation.state import StoredKeys
from nimbus_sdk.storage.credentials import MemoryStore
from nimbus_sdk.transport.flow import Flow, Response, run_blocking

NEUROAI = Service(
    name="NeuroAI",
    entry="neuroai",
    key_variable="NEUROAI_API_KEY",
    url_variable="NEUROAI_URL",
    url=None,
    portal="the NeuroAI dashboard (Settings, Users and Teams, API Keys)",
    header="Authorization",
    prefix="Bearer ",
)
_CLOCK_TOLERANCE = timedelta(seconds=2)
"""Times on the wire may be cut to whole seconds, and the clock's offset is as inexact."""

ROTATION_DAYS = 90.0
_MAX_DAYS = 36_500
_LOCK_SECONDS = 30.0


class NeuroAIFlows:
    """The calls of both clients."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._own_id: tuple[ServiceKey, str] | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> Flow[object]:
        """Call a resource that has no method here; return the parsed JSON, None if the response is empty."""
        request = self.connection.request(method, path, params=params, json=json, request_id=request_id)
        return parse_content((yield from self.connection.exchange(request)))

    def verify(self) -> Flow[KeyCheck]:
        """Return what the key in use is. Raises ``InvalidKeyError`` or ``KeyExpiredError``."""
        response = yield from self.connection.exchange(self.connection.request("GET", wire.VERIFY))
        valid, key = wire.parse_verification(response)
        if not valid:
            raise errors.InvalidKeyError("NeuroAI says that this key is not valid.", status=response.status)
        used = (yield from run_blocking(self.connection.find_key)).key
        self._own_id = None if key is None else (used, key.id)
        return KeyCheck(key=key)

    def save_key(self) -> Flow[str]:
        """Store the key in use, once it was found valid, and return the store's name."""
        yield from self.verify()
        return (yield from key_flows.save_key(self.connection))

    def list_page(self, size: int, pages: wire.Pagination) -> Flow[tuple[KeyInfo, ...]]:
        """Return the next page of the list."""
        params: Params = {"limit": size, "cursor": pages.cursor}
        request = self.connection.request("GET", wire.KEYS, params=params)
        return wire.parse_page((yield from self.connection.exchange(request)), pages)

    def get_key(self, key_id: str) -> Flow[KeyInfo]:
        """Return one key. Raises ``KeyNotFoundError``."""
        return wire.parse_key_info((yield from self._send("GET", key_id)))

    def update_key(
        self,
        key_id: str,
        *,
        name: str | Keep = KEEP,
        description: str | Keep | None = KEEP,
        role: str | Keep | None = KEEP,
        expires_at: datetime | Keep | None = KEEP,
        permissions: Iterable[str] | Keep | None = KEEP,
        referrers: Iterable[str] | Keep | None = KEEP,
        rate_limit: RateLimit | int | Keep | None = KEEP,
    ) -> Flow[KeyInfo]:
        """Change the fields that are given; None empties a field. Raises ``KeyNotFoundError``."""
        fields = wire.encode_fields(
            name=name,
            description=description,
            role=role,
            expires_at=expires_at,
            permissions=permissions,
            referrers=referrers,
            rate_limit=rate_limit,
        )
        return wire.parse_key_info((yield from self._send("PATCH", key_id, json=fields)))

    def delete_key(self, key_id: str) -> Flow[None]:
        """Delete a key permanently. Raises ``KeyNotFoundError``."""
        try:
            yield from self._send("DELETE", key_id)
        except errors.KeyNotFoundError as error:
            # The first attempt has deleted it, and only its response was lost.
            if not error.answer_lost:
                raise
        except errors.InvalidKeyError as error:
            # A key that deletes itself: the first response was lost, and the repeat is refused.
            was_valid = self._own_id == ((yield from run_blocking(self.connection.find_key)).key, key_id)
            if not was_valid or error.code is None:
                error.hint = f"If this was the key in use, it has been deleted. {error.hint}"
                raise

    def create_key(
        self,
        name: str,
        *,
        description: str | None = None,
        role: str | None = None,
        type: str = KeyType.PERSONAL,
        expires_at: datetime | None = None,
        permissions: Iterable[str] | None = None,
        referrers: Iterable[str] | None = None,
        rate_limit: RateLimit | int | None = None,
        save: bool = False,
    ) -> Flow[IssuedKey]:
        """Make a key; only this result has its secret. After a lost response nothing is repeated blindly.

        Args:
            role: Such as ``Role.VIEWER``; any other text is sent as it is.
            type: Such as ``KeyType.SERVICE``.
            expires_at: With its time zone; None is never.
            permissions: Custom ones instead of the role's.
            referrers: Domains and IP addresses it may be used from; None is anywhere.
            rate_limit: A number is requests a minute.
            save: Store it as this profile's NeuroAI key; ``restore_key`` brings the one before back.

        Raises:
            AnswerLostError: The key was made, or may have been, and its secret was lost on the way.
        """
        fields = {
            "name": name,
            "description": description,
            "role": role,
            "type": type,
            "expires_at": expires_at,
            "permissions": permissions,
            "referrers": referrers,
            "rate_limit": rate_limit,
        }
        body = wire.encode_fields(**{name: value for name, value in fields.items() if value is not None})
        stored = (yield from self._stored_key()) if save else None
        request = self.connection.request("POST", wire.KEYS, json=body)
        began, may_repeat = datetime.now(UTC), True
        while True:
            try:
                response = yield from self.connection.exchange(request)
                info, secret = wire.parse_issued_key(response, self.connection.service, {"name": name})
                break
            except (errors.NimbusConnectionError, errors.ServerError, errors.ResponseFormatError) as lost:
                yield from self._check_not_made(name, began, lost)
                if not may_repeat:
                    raise
                may_repeat = False
        return (yield from self._hand_over(info, secret, save=save, replaces=stored))

    def rotate_key(self, key_id: str, *, save: bool = False) -> Flow[IssuedKey]:
        """Give a key a new secret; the old one is invalid at once.

        If it is the key in use, this client uses the new secret from now on, and a stored one is replaced.

        Raises:
            AnswerLostError: The new secret was lost on the way.
            KeyNotFoundError: There is no such key.
        """
        own = (yield from self.verify()).key
        is_own = own is not None and own.id == key_id
        used = yield from run_blocking(self.connection.find_key)
        # A stored key that is no longer valid would fail in every other process.
        save = save or (is_own and used.source == "store")
        stored = (yield from self._stored_key()) if save else None
        known = {"id": key_id, "name": own.name if own is not None and is_own else ""}
        info, secret = yield from self._rotated(key_id, known, is_own=is_own)
        if is_own:
            self.connection.use_key(secret, "store" if used.source == "store" else "argument")
            stored = None if stored == used.key else stored
        return (yield from self._hand_over(info, secret, save=save, replaces=stored))

    def rotate_if_older_than(
        self, days: float = ROTATION_DAYS, *, key_id: str | None = None, save: bool = False
    ) -> Flow[IssuedKey | None]:
        """Rotate a key if its secret is older, the key in use if none is named; None if it is not."""
        if not 0 < days <= _MAX_DAYS:
            raise errors.ConfigurationError(
                f"days must be above 0, and at most {_MAX_DAYS}.", hint="The documentation advises 90."
            )
        busy = "Another process has been rotating this key for half a minute."
        rotation = self._rotate_if_older_than(timedelta(days=days), key_id, save=save)
        return (yield from self.connection.slot.exclusive(rotation, seconds=_LOCK_SECONDS, busy=busy))

    def _rotate_if_older_than(
        self, age: timedelta, key_id: str | None, *, save: bool
    ) -> Flow[IssuedKey | None]:
        # Another process may have rotated the stored key while this one waited.
        self.connection.forget_stored_key()
        check = yield from self.verify()
        info = check.key if key_id is None else (yield from self.get_key(key_id))
        if info is None or info.secret_since is None:
            raise errors.ResponseFormatError(
                "NeuroAI does not say when the secret of this key was made.",
                hint="Rotate it by its id: rotate_key(key_id).",
            )
        if datetime.now(UTC) + self._clock_offset - info.secret_since < age:
            return None
        return (yield from self.rotate_key(info.id, save=save))

    def _send(self, method: str, key_id: str, action: str = "", json: object = None) -> Flow[Response]:
        path = wire.key_path(key_id, action)
        # In a URL, a key would end up in the logs of everyone on the way.
        if wire.is_secret(key_id.strip(), (yield from run_blocking(self.connection.find_key)).key):
            raise errors.ConfigurationError(
                "That is a key, not the id of a key; it was not sent.", hint="List the keys to see their ids."
            )
        request = self.connection.request(method, path, json=json)
        try:
            return (yield from self.connection.exchange(request))
        except errors.ApiError as error:
            if error.status != 404:
                raise
            missing = errors.KeyNotFoundError(
                f"NeuroAI has no key {key_id[:80]!r}.",
                status=404,
                request_id=error.request_id,
                hint="List the keys to see their ids.",
            )
            missing.answer_lost = error.answer_lost
        raise missing

    def _check_not_made(self, name: str, began: datetime, lost: errors.NimbusError) -> Flow[None]:
        """Raise unless the lost request has made no key and will make none."""
        if _was_not_carried_out(lost):
            raise lost
        try:
            made = yield from self._find_made_since(name, began)
        except errors.NimbusError as error:
            raise errors.AnswerLostError(
                f"The response to the creation of {name!r} was lost ({lost.message}), and the list of keys "
                f"cannot be read ({error.message}), so it is not known whether the key was created.",
                hint="Check the list before you try again.",
            ) from None
        if made:
            raise errors.AnswerLostError(
                f"The response to the creation of {name!r} was lost ({lost.message}), and with it the "
                f"secret. The list has a key of that name that is as new: {' or '.join(made)}.",
                left_behind=made,
                hint=f"If it is yours, rotate it for a new secret, rotate_key({made[0]!r}), or delete it.",
            )
        if isinstance(lost, errors.NimbusTimeoutError):
            raise errors.AnswerLostError(
                f"NeuroAI did not answer the creation of {name!r} in time. It is not in the list so far, and "
                f"may still be made ({lost.message}).",
                hint="Check the list in a minute, before you try again.",
            )

    def _find_made_since(self, name: str, began: datetime) -> Flow[tuple[str, ...]]:
        ids: list[str] = []
        pages = wire.Pagination()
        while not pages.ended:
            keys = yield from self.list_page(100, pages)
            since = began + self._clock_offset - _CLOCK_TOLERANCE
            ids += [key.id for key in keys if key.name == name and (key.created_at or since) >= since]
        return tuple(ids)

    def _rotated(
        self, key_id: str, known: Mapping[str, str], *, is_own: bool
    ) -> Flow[tuple[KeyInfo, ServiceKey]]:
        lost: errors.NimbusError
        try:
            response = yield from self._send("POST", key_id, "/rotate", json={})
            return wire.parse_issued_key(response, self.connection.service, known)
        except (errors.NimbusConnectionError, errors.ServerError, errors.ResponseFormatError) as error:
            lost = error
            if _was_not_carried_out(error):
                raise
        try:
            # A second rotation invalidates the secret in the lost response, which nobody has.
            if not isinstance(lost, errors.NimbusTimeoutError):
                response = yield from self._send("POST", key_id, "/rotate", json={})
                return wire.parse_issued_key(response, self.connection.service, known)
        except errors.NimbusError as error:
            lost = error
        own = "It is the key in use, so make a new one in the dashboard if the next call is refused."
        raise errors.AnswerLostError(
            f"The response to the rotation of {key_id} was lost ({lost.message}); its old secret may be "
            "invalid.",
            left_behind=(key_id,),
            hint=own if is_own else "Rotate it again: that gives a new secret and ends the one before.",
        )

    def _stored_key(self) -> Flow[ServiceKey | None]:
        """Return the key that a new secret will replace; raise if the store cannot take a secret."""
        if self.connection.settings.credential_store == MemoryStore.name:
            raise errors.CredentialStoreError(
                "NIMBUS_SDK_CREDENTIAL_STORE is none: a secret cannot be stored, so none was asked for.",
                hint="Choose another store, or ask for the secret without storing it.",
            )
        return (yield from run_blocking(self.connection.slot.read)).key

    def _hand_over(
        self, info: KeyInfo, secret: ServiceKey, *, save: bool, replaces: ServiceKey | None
    ) -> Flow[IssuedKey]:
        """Return the key with its secret; if that is stored, an error of the store is part of the result."""
        issued = IssuedKey(info=info, secret=SecretStr(secret.reveal()))
        if not save:
            return issued
        slot, origin, tried = self.connection.slot, self.connection.origin, False
        # A replaced key that is still valid stays in the store; one that this secret has replaced does not.
        save_key = slot.save if replaces is None else StoredKeys(self.connection).replace
        masked = "" if replaces is None else replaces.masked

        def store() -> IssuedKey:
            nonlocal tried
            tried = True
            try:
                return replace(issued, saved_in=save_key(secret, origin).store.name, replaced=masked)
            except (errors.NimbusError, OSError) as error:
                return replace(issued, not_saved=str(error))
            except KeyboardInterrupt:
                return replace(issued, not_saved="Ctrl-C was pressed meanwhile.")

        try:
            return (yield from run_blocking(store))
        except GeneratorExit:
            # Cancelled before a thread was free. Nobody receives the secret any more, so it must be stored.
            if not tried:
                store()
            raise

    @property
    def _clock_offset(self) -> timedelta:
        return timedelta(seconds=self.connection.clock_offset or 0.0)

    def __repr__(self) -> str:
        return repr(self.connection)


def _was_not_carried_out(error: errors.NimbusError) -> bool:
    """Whether it is certain that a failed request was not carried out."""
    return isinstance(error, errors.NimbusConnectionError) and not (error.passing and error.sent)
