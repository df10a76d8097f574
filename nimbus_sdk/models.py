"""What the Nimbus API says, as frozen models. Fields that are not known here are ignored, as are signs
that drive a terminal.

Source of every field: the Nimbus API documentation (authentication, models, analytics, health).
Quota numbers may be null: unlimited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    SecretStr,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from nimbus_sdk.masking import masked, visible

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


def _true(word: bool) -> bool:
    # Literal[True] would take 1 for it, strict or not.
    if not word:
        raise ValueError("not true")
    return word


def _shown(text: str, info: ValidationInfo) -> str:
    shown = text.translate(_NOT_SHOWN)
    secrets = (info.context or {}).get(SECRETS, ())
    # A secret that is broken up by what is invisible reads as a whole.
    seen = visible(shown)
    washed = masked(seen, secrets)
    return shown if washed == seen else washed


def _all_shown(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        return _shown(value, info)
    if isinstance(value, list):
        return [_all_shown(part, info) for part in value]
    if isinstance(value, dict):
        return {_shown(name, info): _all_shown(part, info) for name, part in value.items()}
    return value


# What drives a terminal, or turns its direction of reading: a service's words are printed as they are.
_SPACES = dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " ")
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_NOT_SHOWN = {**dict.fromkeys(_CONTROLS), **_SPACES}

UtcTime = Annotated[datetime, GetPydanticSchema(_with_leap_seconds), AfterValidator(_aware)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Text = Annotated[str, Field(max_length=4096), AfterValidator(_shown)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class Quota(_Wire):
    """The monthly quota; ``monthly_limit`` and ``remaining`` of None mean unlimited.

    Neither may be left out: silence is no promise of an unlimited quota.
    """

    monthly_limit: Count | None
    used: Count | None = None
    remaining: Count | None
    resets_at: UtcTime | None = None


class Entitlement(_Wire):
    """What a valid key may do: the answer to validate, and to refresh (which has no user fields)."""

    valid: bool
    user_id: Text | None = None
    email: Text | None = None
    name: Text | None = None
    organization: Text | None = None
    license_type: Text
    features: Annotated[tuple[Text, ...], Field(max_length=1000)]
    quota: Quota
    expires_at: UtcTime | None = None


class Revocation(_Wire):
    """The answer to revoke."""

    revoked: bool
    message: Text = ""


class GithubToken(_Wire):
    """A temporary token for the release of the core; never kept, never shown."""

    success: Annotated[bool, AfterValidator(_true)]
    github_token: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
    expires_at: UtcTime | None = None
    message: Text = ""

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A GithubToken is not pickled: a pickle would carry the whole token.")


class ModelInfo(_Wire):
    """One pre-trained model of the registry.

    ``n_features`` and ``n_classes`` are counts, ``size_mb`` is in mebibytes, ``checksum`` is
    ``sha256:`` and 64 hexadecimal digits, ``requires_license`` the lowest tier that may load it.
    """

    model_config = ConfigDict(protected_namespaces=())

    name: Text
    version: Text
    type: Text
    paradigm: Text
    n_features: Count
    n_classes: Count
    size_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    download_url: Text
    checksum: Text
    requires_license: Text
    metadata: Annotated[Mapping[str, object], AfterValidator(_all_shown)] = {}

    def __str__(self) -> str:
        from nimbus_sdk import shown

        return shown.facts(f"Nimbus model {self.name}", self._rows())

    def _repr_html_(self) -> str:
        from nimbus_sdk import shown

        return shown.facts_html(f"Nimbus model {self.name}", self._rows())

    def _rows(self) -> list[tuple[str, object]]:
        told: dict[str, object] = self.model_dump(exclude={"name", "metadata"})
        return [*told.items(), *self.metadata.items()]


class Models(tuple[ModelInfo, ...]):
    """Several models: a tuple that is shown as a table."""

    __slots__ = ()

    COLUMNS = ("name", "type", "paradigm", "features", "classes", "license")
    """The headers of the table; the last is the lowest tier that may load the model."""

    def __str__(self) -> str:
        from nimbus_sdk import shown

        return shown.table(self.COLUMNS, self.rows()) if self else "No model."

    def _repr_html_(self) -> str:
        from nimbus_sdk import shown

        return shown.table_html("Nimbus models", self.COLUMNS, self.rows())

    def rows(self) -> list[Sequence[object]]:
        """What stands in the table, a row for each model."""
        return [
            (one.name, one.type, one.paradigm, one.n_features, one.n_classes, one.requires_license)
            for one in self
        ]


class ModelList(_Wire):
    """The answer to models/list."""

    models: Annotated[tuple[ModelInfo, ...], Field(max_length=10_000), AfterValidator(Models)]
    total: Count


class QuotaLeft(_Wire):
    """What an event left of the monthly quota; ``remaining`` of None means unlimited."""

    used: Count | None = None
    remaining: Count | None


class EventReceipt(_Wire):
    """The answer to analytics/log."""

    logged: bool
    event_id: Text | None = None
    quota: QuotaLeft


class Health(_Wire):
    """The answer to health."""

    status: Text
    timestamp: UtcTime | None = None
    version: Text | None = None
    database: Text | None = None
    error: Text | None = None
