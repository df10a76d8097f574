"""Check at every call that the license includes what a function of the core does."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from nimbus_sdk.account.session import current_session
from nimbus_sdk.account.session_record import SessionRecord, require_valid
from nimbus_sdk.errors import FeatureNotLicensedError, SessionNotFoundError

R = TypeVar("R")

# Any one of the features is enough: the service lists training, and not always calibration beside it.
REQUIRED_FEATURES = {
    "train_model": ("training",),
    "calibrate_model": ("calibration", "training"),
    "calibrate_streaming": ("calibration", "training"),
    "init_streaming": ("streaming",),
    "process_chunk": ("streaming",),
    "finalize_trial": ("streaming",),
    "should_stop": ("streaming",),
    "decode_stream": ("streaming",),
}
LOWEST_TIER = "research"
_RAISES = re.compile(r"^( *)Raises:\n", re.MULTILINE)
_ERRORS = {
    "FeatureNotLicensedError": "The license does not include it; research and higher tiers do.",
    "SessionError": "There is no valid session on this machine: run `nimbus-sdk install`.",
    "CoreNotInstalledError": "There is no core on this machine: run `nimbus-sdk install`.",
}
_fallback_session: SessionRecord | None = None


def requires_feature(function: Callable[..., R], features: tuple[str, ...]) -> Callable[..., R]:
    """Return a function that checks the license at every call, with no request."""

    @functools.wraps(function)
    def checked(*arguments: object, **named: object) -> R:
        session: SessionRecord
        try:
            session = current_session()
        except SessionNotFoundError:
            if _fallback_session is None:
                raise
            session = require_valid(_fallback_session, datetime.now(UTC))
        if session.features_enabled.isdisjoint(features):
            raise FeatureNotLicensedError(
                f"{function.__name__} needs the feature {features[0]!r}, which the {session.license_type} "
                f"license of {session.key_masked} does not include; {LOWEST_TIER} and higher tiers do.",
                feature=features[0],
            )
        return function(*arguments, **named)

    added = "".join(rf"\1    {error}: {when}\n" for error, when in _ERRORS.items())
    checked.__doc__ = _RAISES.sub(rf"\g<0>{added}", function.__doc__ or "", count=1) or None
    return checked


def set_fallback_session(session: SessionRecord) -> None:
    """Set the session that counts if this machine has none; it contains no key.

    For workers of a cluster: the license is that of the user, on whichever machine the work is done.
    """
    global _fallback_session
    _fallback_session = session
