"""The Nimbus API: validate, refresh, revoke, GitHub token, analytics, models, health.

The list of models contains every model with the tier it requires; the file of a model above the key's tier is
refused with 403.

Source: the endpoint sections, "Rate Limiting" and the table "Error Codes" of the Nimbus API documentation.
Bodies are written here field by field, and share no code with the SDK that reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nimbus_sdk.sandbox.http.database import Database, StoredKey, UnknownKeyError
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.rate_limits import RateLimiter
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import (
    ErrorFormat,
    HttpError,
    Response,
    file_response,
    iso,
    iso_or_none,
    json_response,
)
from nimbus_sdk.sandbox.nimbus_api.keys import LicenseKeys, is_covered, next_month, require_format

API_VERSION = "1.1.0"
_WINDOW_SECONDS = 60.0
_REQUESTS_PER_MINUTE: Mapping[str, int | None] = {
    "validate": 100,
    "refresh": 10,
    "revoke": 10,
    "github_token": 20,
    "models": 60,
    "analytics": 1000,
    "health": None,
}
_OTHER_ENDPOINTS = 1000
_BYTES_PER_MB = 1_000_000
MODEL_FIELDS = (
    "name",
    "version",
    "type",
    "paradigm",
    "n_features",
    "n_classes",
    "requires_license",
    "metadata",
)
MODEL_FILTERS = ("paradigm", "type")
EVENT_TYPES = ("inference", "model_load", "error")
Models = Mapping[str, tuple[dict[str, Any], Path]]
"""JSON and file of each model by its name."""
IssueToken = Callable[[str, float | None], tuple[str, float | None]]
NIMBUS_API_ERRORS = ErrorFormat(
    codes={
        "MISSING_KEY": (400, "API key is required"),
        "INVALID_FORMAT": (400, "Invalid API key format"),
        "MISSING_EVENT_TYPE": (400, "Event type is required"),
        "INVALID_KEY": (401, "Invalid or inactive API key"),
        "KEY_EXPIRED": (401, "API key has expired"),
        "PERMISSION_DENIED": (403, "License tier does not cover this"),
        "KEY_NOT_FOUND": (404, "API key not found or already revoked"),
        "NOT_FOUND": (404, "Not found"),
        "METHOD_NOT_ALLOWED": (405, "Method not allowed"),
        "PAYLOAD_TOO_LARGE": (413, "Request body is too large"),
        "QUOTA_EXCEEDED": (429, "Monthly quota exceeded"),
        "RATE_LIMIT_EXCEEDED": (429, "Rate limit exceeded"),
        "SERVER_ERROR": (500, "Internal server error"),
        "NOT_CONFIGURED": (503, "GitHub token not configured"),
    },
    default_code="SERVER_ERROR",
    body=lambda error: {
        "error": error.text,
        "code": error.code,
        **({} if error.message is None else {"message": error.message}),
    },
    by_status={400: "INVALID_FORMAT", 404: "NOT_FOUND", 429: "RATE_LIMIT_EXCEEDED", 503: "SERVER_ERROR"},
)
_REVOKE_ERRORS = replace(NIMBUS_API_ERRORS, by_status={**NIMBUS_API_ERRORS.by_status, 404: "KEY_NOT_FOUND"})


def read_models(folder: Path, url: str) -> Models:
    """Return by name the models of a folder with a ``registry.json``; none if it has none."""
    registry = folder / "registry.json"
    models = json.loads(registry.read_text(encoding="utf-8"))["models"] if registry.is_file() else ()
    return {
        model["name"]: (
            {
                **{field: model[field] for field in MODEL_FIELDS},
                "size_mb": round(model["size"] / _BYTES_PER_MB, 6),
                "checksum": f"sha256:{model['sha256']}",
                "download_url": f"{url}/v1/models/{model['name']}/download",
            },
            folder / model["file"],
        )
        for model in models
    }


def _key_in_body(request: Request) -> str:
    """Return the ``api_key`` of a JSON body; raise MISSING_KEY, or INVALID_FORMAT if it is not text."""
    return _require_text(request.require_json_object("MISSING_KEY").get("api_key"))


def _key_in_header(request: Request) -> str:
    """Return the ``X-API-Key`` header; raise MISSING_KEY if there is none."""
    return _require_text(request.headers.get("x-api-key"))


def _key_anywhere(request: Request) -> str:
    """Return the key of the header, or else of the JSON body of a POST, or else of the query of a GET."""
    if "x-api-key" in request.headers:
        return _key_in_header(request)
    if request.method == "POST":
        return _key_in_body(request)
    return _require_text(request.query.get("api_key"))


def _require_text(key: object) -> str:
    if key is None or key == "":
        raise HttpError("MISSING_KEY")
    if not isinstance(key, str):
        raise HttpError("INVALID_FORMAT")
    return key


class NimbusApi:
    """The Nimbus API with its keys; ``issue_token`` takes a key's fingerprint and a lifetime in seconds."""

    def __init__(
        self,
        database: Database,
        switches: Switches,
        *,
        limits: Mapping[str, int | None] | None,
        models: Models,
        issue_token: IssueToken,
    ) -> None:
        self.keys = LicenseKeys(database)
        self._database = database
        self._clock = database.clock
        self._switches = switches
        self._limits = {**_REQUESTS_PER_MINUTE, **(limits or {})}
        self._limiter = RateLimiter(database.clock)
        self._models = models
        self._issue_token = issue_token

    def routes(self) -> list[ServiceRoute]:
        """Return the routes of the API."""
        endpoints = (
            ("/v1/auth/validate", "validate", "POST", _key_in_body, self._validate),
            ("/v1/auth/refresh", "refresh", "POST", _key_in_body, self._refresh),
            ("/v1/auth/revoke", "revoke", "POST", _key_in_body, self._revoke),
            ("/v1/installer/github-token", "github_token", "GET, POST", _key_anywhere, self._github_token),
            ("/v1/models/list", "models", "GET", _key_in_header, self._list_models),
            ("/v1/models/{name}/download", "model_file", "GET", _key_in_header, self._download_model),
            ("/v1/analytics/log", "analytics", "POST", _key_in_body, self._log_event),
        )
        routes = [
            ServiceRoute(
                path,
                name,
                self._limited(name, methods, find_key, respond),
                _REVOKE_ERRORS if name == "revoke" else NIMBUS_API_ERRORS,
            )
            for path, name, methods, find_key, respond in endpoints
        ]
        return [*routes, ServiceRoute("/api/health", "health", self._health, NIMBUS_API_ERRORS)]

    async def reject_unknown_path(self, request: Request) -> Response:
        """Refuse a request to a path that does not exist; these have a rate limit too."""
        raise HttpError("NOT_FOUND", headers=self._count("unknown", request.client_address))

    def _count(self, endpoint: str, caller: str) -> dict[str, str]:
        """Count a request of a key or address; return the limit's headers or raise RATE_LIMIT_EXCEEDED."""
        limit = self._limits.get(endpoint, _OTHER_ENDPOINTS)
        if limit is None:
            return {}
        headers = self._limiter.count(endpoint, caller, limit=limit, seconds=_WINDOW_SECONDS)
        if "Retry-After" in headers:
            raise HttpError("RATE_LIMIT_EXCEEDED", headers=headers)
        return headers

    def _limited(
        self,
        endpoint: str,
        methods: str,
        find_key: Callable[[Request], str],
        respond: Callable[[Request, str], Response],
    ) -> Handler:
        """Return a handler that limits its requests and sends the limit's headers with every response."""

        async def handler(request: Request) -> Response:
            key, error = "", None
            try:
                request.require_method(methods, "METHOD_NOT_ALLOWED")
                key = find_key(request)
            except HttpError as refusal:
                error = refusal
            # A request without a usable key is counted as well, before it is refused.
            headers = self._count(endpoint, key or request.client_address)
            try:
                if error is not None:
                    raise error
                return respond(request, key).with_headers(headers)
            except HttpError as refusal:
                refusal.headers.update(headers)
                raise

        return handler

    def _validate(self, request: Request, key: str) -> Response:
        stored = self.keys.require_active(key)
        self.keys.require_quota(stored, "validate")
        owner = {name: stored.fields[name] for name in ("user_id", "email", "name", "organization")}
        given = {name: value for name, value in owner.items() if value is not None}
        return json_response(200, {"valid": True, **given, **self._license_json(stored)})

    def _refresh(self, request: Request, key: str) -> Response:
        stored = self.keys.require_active(key)
        self.keys.require_quota(stored, "refresh")
        return json_response(200, {"valid": True, **self._license_json(stored)})

    def _license_json(self, key: StoredKey) -> dict[str, object]:
        return {
            "license_type": key.fields["tier"],
            "features": key.fields["features"],
            "quota": {
                "monthly_limit": key.fields["monthly_limit"],
                "used": self.keys.count_used(key),
                "remaining": self.keys.count_remaining(key),
                "resets_at": iso(next_month(self._clock())),
            },
            "expires_at": iso_or_none(key.fields["expires_at"]),
        }

    def _revoke(self, request: Request, key: str) -> Response:
        require_format(key)
        reason = (request.json_object() or {}).get("reason")
        try:
            self.keys.revoke(key, reason=None if reason is None else str(reason))
        except UnknownKeyError:
            raise HttpError("KEY_NOT_FOUND") from None
        return json_response(200, {"revoked": True, "message": "API key successfully revoked"})

    def _github_token(self, request: Request, key: str) -> Response:
        stored = self.keys.require_active(key)
        if not self._switches.github_configured:
            raise HttpError(
                "NOT_CONFIGURED", "GitHub token is not configured on the server. Please contact support."
            )
        token, expires_at = self._issue_token(stored.id, self._switches.token_lifetime)
        return json_response(
            200,
            {
                "success": True,
                "github_token": token,
                "expires_at": iso_or_none(expires_at),
                "message": "GitHub token retrieved successfully",
            },
        )

    def _list_models(self, request: Request, key: str) -> Response:
        self.keys.require_active(key)
        rows = [
            row
            for row, _ in self._models.values()
            if all(request.query.get(field, row[field]) == row[field] for field in MODEL_FILTERS)
        ]
        return json_response(200, {"models": rows, "total": len(rows)})

    def _download_model(self, request: Request, key: str) -> Response:
        tier = self.keys.require_active(key).fields["tier"]
        name = request.path_params["name"]
        if name not in self._models:
            raise HttpError("NOT_FOUND", f"There is no model {name}.")
        row, path = self._models[name]
        required = row["requires_license"]
        if not is_covered(required, tier):
            raise HttpError("PERMISSION_DENIED", f"{name} requires the {required} tier.")
        return file_response(path, row["checksum"].removeprefix("sha256:"), request.headers, path.name)

    def _log_event(self, request: Request, key: str) -> Response:
        self.keys.require_active(key)
        event = dict(request.json_object() or {})
        del event["api_key"]
        event_type = event.pop("event_type", None)
        if event_type not in EVENT_TYPES:
            known = f"event_type is one of {', '.join(EVENT_TYPES)}."
            raise HttpError("MISSING_EVENT_TYPE", known if event_type else None)
        event_id, stored = self.keys.log_event(key, str(event_type), json.dumps(event))
        quota = {"used": self.keys.count_used(stored), "remaining": self.keys.count_remaining(stored)}
        return json_response(202, {"logged": True, "event_id": event_id, "quota": quota})

    async def _health(self, request: Request) -> Response:
        request.require_method("GET", "METHOD_NOT_ALLOWED")
        now = iso(self._clock())
        if not (self._switches.healthy and self._database.is_available()):
            unhealthy = {"status": "unhealthy", "timestamp": now, "error": "Database connection failed"}
            return json_response(503, unhealthy)
        return json_response(
            200, {"status": "healthy", "timestamp": now, "version": API_VERSION, "database": "connected"}
        )
