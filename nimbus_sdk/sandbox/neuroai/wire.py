"""NeuroAI's JSON: rows, pages, and the other spelling of names that a client must read as well.

Field names are an assumption of this SDK: the documentation's samples are missing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.times import iso
from nimbus_sdk.sandbox.neuroai.errors import NeuroAiRefused
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey

USUAL_LIMIT = 20
HIGHEST_LIMIT = 100


def key_row(key: NeuroAiKey) -> dict[str, object]:
    """A key as list, get, update and verify show it; never its secret."""
    traits = key.traits
    return {
        "id": key.id,
        "name": traits.name,
        "description": traits.description,
        "role": traits.role,
        "type": traits.type,
        "permissions": list(traits.permissions),
        "expires_at": _when(traits.expires_at),
        "referrers": list(traits.referrers),
        "rate_limit": None if traits.rate_limit is None else traits.rate_limit.to_json(),
        "created_at": iso(key.created_at),
        "rotated_at": _when(key.rotated_at),
        "last_used_at": _when(key.last_used_at),
        "key_prefix": key.key_prefix,
    }


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that is asked for.

    Attributes:
        after: Number of the last row that was seen.
        limit: Rows to show.
    """

    after: int
    limit: int


def asked_page(query: Mapping[str, str]) -> Page:
    """The page that ``?limit=&cursor=`` asks for.

    Raises:
        NeuroAiRefused: invalid_request.
    """
    text = query.get("limit", str(USUAL_LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 0 < int(text) <= HIGHEST_LIMIT:
        raise NeuroAiRefused("invalid_request", f"limit is a number from 1 to {HIGHEST_LIMIT}.")
    try:
        after = int(base64.urlsafe_b64decode(query["cursor"])) if query.get("cursor") else 0
    except (ValueError, binascii.Error):
        raise NeuroAiRefused("invalid_request", "cursor is not one that a list gave.") from None
    return Page(after, int(text))


def page_json(rows: Sequence[tuple[int, object]], limit: int) -> dict[str, object]:
    """A page of numbered rows; one row more than the limit says that another page follows."""
    shown = rows[:limit]
    cursor = base64.urlsafe_b64encode(str(shown[-1][0]).encode()).decode() if len(rows) > limit else None
    return {"data": [row for _, row in shown], "next_cursor": cursor}


def camel(value: object) -> object:
    """The same JSON with names in camelCase.

    Example:
        >>> camel({"next_cursor": None, "data": [{"key_prefix": "nai_1"}]})
        {'nextCursor': None, 'data': [{'keyPrefix': 'nai_1'}]}
    """
    if isinstance(value, dict):
        return {_camel_name(name): camel(item) for name, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)
