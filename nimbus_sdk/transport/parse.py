"""From an answer's body to a model of what the service documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from nimbus_sdk.errors import ResponseFormatError
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.redaction import mask_values, strip_invisible

M = TypeVar("M", bound=BaseModel)


def parse_response(kind: type[M], answer: Response) -> M:
    """The answer's body as a model; what the call carried is masked in its texts.

    Raises:
        ResponseFormatError: The body is not what is documented; names the fields, never their values.
    """
    answer.json()
    try:
        return kind.model_validate_json(answer.body, context={SECRETS: answer.secrets})
    except ValidationError as error:
        faults = _faults(error)
    # Raised here and not in the handler: pydantic's error holds the body, and with it perhaps a token.
    raise _misfit(kind, faults)


def parse_fields(kind: type[M], fields: object) -> M:
    """A part of an answer, already read as JSON, as a model.

    Raises:
        ResponseFormatError: As for :func:`parse_response`.
    """
    try:
        # As JSON once more: a model is as strict as its source, and JSON has no times of its own.
        return kind.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        faults = _faults(error)
    del fields
    raise _misfit(kind, faults)


def _faults(error: ValidationError) -> tuple[str, ...]:
    return tuple(
        f"{'.'.join(str(part)[:40] for part in fault['loc'][:4]) or 'the whole body'}: {fault['type']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:5]
    )


def _misfit(kind: type[BaseModel], faults: tuple[str, ...]) -> ResponseFormatError:
    return ResponseFormatError(
        f"The service's answer ({kind.__name__}) does not fit its documentation: {'; '.join(faults)}."
    )


SECRETS = "secrets"
"""Where the context of a validation holds what no text may repeat."""


# RFC 3339, section 5.6: a minute that ends with a leap second has a second 60.
_LEAP_SECOND = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"


def _second_before(text: str) -> datetime:
    # Python knows no second 60; nothing here is so exact that the one before it would do harm.
    return datetime.fromisoformat(f"{text[:17]}59{text[19:]}".upper())


def _with_leap_seconds(source: type[datetime], handler: GetCoreSchemaHandler) -> CoreSchema:
    leap = core_schema.no_info_after_validator_function(
        _second_before, core_schema.str_schema(pattern=_LEAP_SECOND)
    )
    return core_schema.union_schema(
        [handler(source), leap],
        mode="left_to_right",
        custom_error_type="moment_expected",
        custom_error_message="Input should be a moment in RFC 3339",
    )


def _aware(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        # pydantic turns a ValueError into its own error and lets any other through.
        raise ValueError("outside of the calendar") from None


def _printable(text: str, info: ValidationInfo) -> str:
    tables = text.translate(_UNPRINTABLE)
    secrets = (info.context or {}).get(SECRETS, ())
    # A secret that is broken up by what is invisible reads as a whole.
    seen = strip_invisible(tables)
    washed = mask_values(seen, secrets)
    return tables if washed == seen else washed


def strip_values(value: object, info: ValidationInfo) -> object:
    """JSON of any shape without signs that drive a terminal, and without secrets."""
    if isinstance(value, str):
        return _printable(value, info)
    if isinstance(value, list):
        return [strip_values(part, info) for part in value]
    if isinstance(value, dict):
        return {_printable(name, info): strip_values(part, info) for name, part in value.items()}
    return value


# What drives a terminal, or turns its direction of reading: a service's words are printed as they are.
_SPACES = dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " ")


_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))


_UNPRINTABLE = {**dict.fromkeys(_CONTROLS), **_SPACES}


UtcTime = Annotated[datetime, GetPydanticSchema(_with_leap_seconds), AfterValidator(_aware)]


Count = Annotated[int, Field(ge=0, lt=2**63)]


Text = Annotated[str, Field(max_length=4096), AfterValidator(_printable)]


class WireModel(BaseModel):
    """The base of every answer: frozen, strict, and ignorant of fields that are not known yet."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)
