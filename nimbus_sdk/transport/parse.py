"""From an answer's body to a model of what the service documents."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from nimbus_sdk.errors import ResponseFormatError
from nimbus_sdk.models import SECRETS
from nimbus_sdk.transport.flow import Answer

M = TypeVar("M", bound=BaseModel)


def parsed(kind: type[M], answer: Answer) -> M:
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


def fitted(kind: type[M], fields: object) -> M:
    """A part of an answer, already read as JSON, as a model.

    Raises:
        ResponseFormatError: As for :func:`parsed`.
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
