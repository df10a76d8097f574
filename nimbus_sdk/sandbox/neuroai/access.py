"""Who may ask NeuroAI what: bearer key, expiry, restrictions, permissions, and the audit log."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.endpoint import Visit
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.audit import Attempt
from nimbus_sdk.sandbox.neuroai.errors import NeuroAiRefused, neuroai_error
from nimbus_sdk.sandbox.neuroai.key_fields import RateLimit, admits
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey
from nimbus_sdk.sandbox.neuroai.wire import camel

Answer = tuple[int, object]
Action = Callable[[Visit, NeuroAiKey], Answer]
ANY_KEY = None


@dataclass(frozen=True, slots=True)
class Guarded:
    """An endpoint of NeuroAI behind a key.

    Attributes:
        actions: By HTTP method, the permission it takes (:data:`ANY_KEY` for none), and what to answer.
    """

    actions: Mapping[str, tuple[str | None, Action]]

    async def __call__(self, visit: Visit) -> Reply:
        """Answer one request and note it in the audit log."""
        key, code = visit.state.neuroai.by_secret(_bearer(visit)), None
        try:
            status, body = self._act(visit, key)
            if visit.state.switches.neuroai_camel_case:
                body = camel(body)
            reply = Reply(status) if body is None else json_reply(status, body)
        except NeuroAiRefused as refusal:
            code = refusal.code
            reply = json_reply(refusal.status, neuroai_error(code, refusal.message), refusal.headers)
        _note(visit, key, reply.status, code)
        return reply

    def _act(self, visit: Visit, key: NeuroAiKey | None) -> Answer:
        if key is None:
            raise NeuroAiRefused("unauthorized")
        _check_use(visit, key)
        if not self.actions:
            raise NeuroAiRefused("not_found")
        if visit.request.method not in self.actions:
            raise NeuroAiRefused("method_not_allowed", headers={"Allow": ", ".join(self.actions)})
        permission, action = self.actions[visit.request.method]
        if permission is not ANY_KEY and permission not in key.traits.permissions:
            raise NeuroAiRefused("forbidden", f"API key lacks the permission {permission}")
        return action(visit, visit.state.neuroai.touch(key))


def _note(visit: Visit, key: NeuroAiKey | None, status: int, code: str | None) -> None:
    visit.state.neuroai_audit.note(
        Attempt(
            key_id=None if key is None else key.id,
            method=visit.request.method,
            path=visit.path.removeprefix("/neuroai"),
            status=status,
            code=code,
            ip=visit.caller,
            referrer=visit.headers.get("referer"),
            request_id=visit.request_id,
        )
    )


def _bearer(visit: Visit) -> str:
    scheme, _, secret = visit.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _check_use(visit: Visit, key: NeuroAiKey) -> None:
    traits, state = key.traits, visit.state
    if traits.expires_at is not None and traits.expires_at <= state.clock():
        raise NeuroAiRefused("key_expired")
    referrer = visit.headers.get("referer") or visit.headers.get("origin", "")
    if traits.referrers and not admits(traits.referrers, referrer, visit.caller):
        raise NeuroAiRefused("referrer_denied")
    if traits.rate_limit is not None and (wait := state.neuroai_rates.wait(key.id, traits.rate_limit)):
        raise NeuroAiRefused("rate_limited", headers={"Retry-After": str(wait)})


class NeuroAiRates:
    """The counts of one sandbox.

    Args:
        clock: Tells Unix seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def wait(self, key_id: str, limit: RateLimit) -> int:
        """Count one request: 0 where it may pass, else whole seconds until the next one may."""
        now = self._clock()
        with self._lock:
            started, count = self._windows.get(key_id, (now, 0))
            if not 0 <= now - started < limit.per_seconds:
                started, count = now, 0
            self._windows[key_id] = (started, count + 1)
        if count < limit.requests:
            return 0
        return max(1, math.ceil(started + limit.per_seconds - now))
