"""What an error carries besides its text: searched for secrets and for other libraries' objects."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

FOREIGN = ("httpx", "httpcore", "pydantic", "pydantic_core", "h11", "tenacity")


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it names as its cause or met on its way."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]


def everything_in(error: BaseException) -> str:
    """All that a debugger would show of it: texts, attributes, the variables of the SDK's own frames."""
    parts = []
    for one in chain(error):
        parts += [*traceback.format_exception(one), repr(one), str(one), repr(one.args), repr(vars(one))]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("nimbus_sdk"):
                parts += [_shown(value) for value in frame.f_locals.values()]
    return "\n".join(parts)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:
        return repr(vars(value))  # an object whose making broke off


def strangers_in(error: BaseException) -> list[str]:
    """Objects of other libraries that hang on an error: its chain, its arguments, its attributes."""
    objects: list[object] = []
    for one in chain(error):
        objects += [one, *one.args, *vars(one).values()]
    kinds = [type(found) for found in objects]
    return [kind.__qualname__ for kind in kinds if kind.__module__.partition(".")[0] in FOREIGN]
