"""Models of the responses of the Nimbus API. Undocumented fields and control characters are removed.

Source of every field: the Nimbus API documentation (authentication, models, analytics, health).
Quota numbers may be null, which means unlimited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.transport.parse import Count, Text, UtcTime, WireModel, strip_values


def _require_true(value: bool) -> bool:
    # Literal[True] would accept 1, also in strict mode.
    if not value:
        raise ValueError("not true")
    return value


class Quota(WireModel):
    """The monthly quota; ``monthly_limit`` and ``remaining`` of None mean unlimited.

    Both fields are required: an absent limit does not mean an unlimited quota.
    """

    monthly_limit: Count | None
    used: Count | None = None
    remaining: Count | None
    resets_at: UtcTime | None = None


class Entitlement(WireModel):
    """What a key may do: the response to validate, and to refresh (without user fields)."""

    valid: bool
    user_id: Text | None = None
    email: Text | None = None
    name: Text | None = None
    organization: Text | None = None
    license_type: Text
    features: Annotated[tuple[Text, ...], Field(max_length=1000)]
    quota: Quota
    expires_at: UtcTime | None = None


class Revocation(WireModel):
    """The response to revoke."""

    revoked: bool
    message: Text = ""


class GithubToken(WireModel):
    """A temporary token for the release of the core; it is never stored or displayed."""

    success: Annotated[bool, AfterValidator(_require_true)]
    github_token: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
    expires_at: UtcTime | None = None
    message: Text = ""

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A GithubToken is not pickled: a pickle would contain the whole token.")


@printable_texts
class ModelInfo(WireModel):
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
    metadata: Annotated[Mapping[str, object], AfterValidator(strip_values)] = {}

    def __str__(self) -> str:
        from nimbus_sdk.display import tables

        return tables.format_fields(f"Nimbus model {self.name}", self._rows())

    def _repr_html_(self) -> str:
        from nimbus_sdk.display import tables

        short = [*zip(Models.COLUMNS[1:], self.row()[1:], strict=True)]
        about = [(name, self.metadata[name]) for name in ("description",) if name in self.metadata]
        return tables.fields_html(f"Nimbus model {self.name}", [*short, *about], self._rows())

    def row(self) -> tuple[object, ...]:
        """Return the values of ``Models.COLUMNS``."""
        return (
            self.name,
            self.type,
            self.paradigm,
            self.n_features,
            self.n_classes,
            self.requires_license,
        )

    def _rows(self) -> list[tuple[str, object]]:
        fields: dict[str, object] = self.model_dump(exclude={"name", "metadata"})
        return [*fields.items(), *self.metadata.items()]


@printable_texts
class Models(tuple[ModelInfo, ...]):
    """Several models: a tuple that prints as a table."""

    __slots__ = ()

    COLUMNS = ("name", "type", "paradigm", "features", "classes", "license")
    """Headers of the table; the last is the lowest tier that may load the model."""

    def __str__(self) -> str:
        from nimbus_sdk.display import tables

        return tables.format_table(self.COLUMNS, self.rows()) if self else "No model."

    def _repr_html_(self) -> str:
        from nimbus_sdk.display import tables

        fields = ("name", "version", "size_mb", "checksum", "download_url")
        folded = [[getattr(model, field) for field in fields] for model in self]
        return tables.table_html("Nimbus models", self.COLUMNS, self.rows(), fields, folded)

    def rows(self) -> list[Sequence[object]]:
        """Return the table, one row for each model."""
        return [model.row() for model in self]


class ModelList(WireModel):
    """The response to models/list."""

    models: Annotated[tuple[ModelInfo, ...], Field(max_length=10_000), AfterValidator(Models)]
    total: Count


class QuotaLeft(WireModel):
    """The monthly quota after an event; ``remaining`` of None means unlimited."""

    used: Count | None = None
    remaining: Count | None


class EventReceipt(WireModel):
    """The response to analytics/log."""

    logged: bool
    event_id: Text | None = None
    quota: QuotaLeft


class Health(WireModel):
    """The response to health."""

    status: Text
    timestamp: UtcTime | None = None
    version: Text | None = None
    database: Text | None = None
    error: Text | None = None
