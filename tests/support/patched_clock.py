"""Sets the clock of this process off by ``CLOCK_OFFSET`` seconds; imported before all that reads the time."""

from __future__ import annotations

import datetime
import os
import time
from typing import Any

_real_time, _real = time.time, datetime.datetime
_real_gmtime, _real_localtime = time.gmtime, time.localtime


def _time() -> float:
    return _real_time() + float(os.environ.get("CLOCK_OFFSET", "0"))


class _Kind(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _real)


class _Shifted(_real, metaclass=_Kind):  # type: ignore[misc, valid-type]
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _real.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _real.fromtimestamp(_time(), datetime.UTC).replace(tzinfo=None)


time.time = _time
time.time_ns = lambda: int(_time() * 10**9)
time.gmtime = lambda seconds=None, /: _real_gmtime(_time() if seconds is None else seconds)
time.localtime = lambda seconds=None, /: _real_localtime(_time() if seconds is None else seconds)
datetime.datetime = _Shifted  # type: ignore[misc]
