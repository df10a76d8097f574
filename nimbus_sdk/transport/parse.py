"""Parses responses into models, and defines the base types of those models."""

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
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.redaction import mask_values, strip_invisible

M = TypeVar("M", bound=BaseModel)


def parse_response(model: type[M], response: Response) -> M:
    """Parse the body of a response into a model; the secrets of the request are masked in its texts.

    Raises:
        ResponseFormatError: The body differs from the documentation; the message names fields, never values.
    """
    response.json()
    return _parse(model, response.body, response.secrets)


def parse_fields(model: type[M], fields: object) -> M:
    """Parse a part of a response, already decoded from JSON, into a model; see ``parse_response``."""
    try:
        # As JSON again: strict models accept times only in the form that JSON has for them.
        return _parse(model, json.dumps(fields), ())
    finally:
        del fields


def _parse(model: type[M], content: str | bytes, secrets: tuple[str, ...]) -> M:
    try:
        return model.model_validate_json(content, context={SECRETS: secrets})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part)[:40] for part in fault['loc'][:4]) or 'the whole body'}: {fault['type']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)[:5]
        )
    # Raised here and not in the handler: pydantic's error contains the body, perhaps with a token.
    del content, secrets
    raise ResponseFormatError(
        f"The service's answer ({model.__name__}) does not fit its documentation: {faults}."
    )


SECRETS = "secrets"
"""Key of the validation context with the secrets to mask."""


# RFC 3339, section 5.6: a minute that ends with a leap second has a second 60.
_LEAP_SECOND = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"


def _second_before(text: str) -> datetime:
    # Python has no second 60; the second before it is exact enough here.
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
    printable = text.translate(_UNPRINTABLE)
    # A secret that is interrupted by invisible characters reads as a whole.
    visible = strip_invisible(printable)
    masked = mask_values(visible, (info.context or {}).get(SECRETS, ()))
    return printable if masked == visible else masked


def strip_values(value: object, info: ValidationInfo) -> object:
    """Remove control characters and secrets from every string in a JSON value."""
    if isinstance(value, str):
        return _printable(value, info)
    if isinstance(value, list):
        return [strip_values(part, info) for part in value]
    if isinstance(value, dict):
        return {_printable(name, info): strip_values(part, info) for name, part in value.items()}
    return value


# Characters that control a terminal or turn the reading direction; the texts of a service are printed.
_SPACES = dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " ")
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNPRINTABLE = {**dict.fromkeys(_CONTROLS), **_SPACES}
UtcTime = Annotated[datetime, GetPydanticSchema(_with_leap_seconds), AfterValidator(_aware)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Text = Annotated[str, Field(max_length=4096), AfterValidator(_printable)]


@printable_texts
class WireModel(BaseModel):
    """Base of all response models: frozen, strict, and without the fields that are not documented."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)
