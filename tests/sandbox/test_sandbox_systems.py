"""What holds for Nimbus OS, NeuroAI and Nexus alike: faults, journal, secrets, database."""

from __future__ import annotations

import logging

import httpx
import pytest

from nimbus_sdk.sandbox import Sandbox

CALLS = {
    "nimbus_os": ("GET", "nimbus-os/sandbox/orders", None),
    "neuroai_keys": ("GET", "neuroai/v1/api-keys", None),
    "neuroai_key": ("GET", "neuroai/v1/api-keys/key_1", None),
    "neuroai_rotate": ("POST", "neuroai/v1/api-keys/key_1/rotate", None),
    "neuroai_verify": ("GET", "neuroai/v1/auth/verify", None),
    "neuroai_audit": ("GET", "neuroai/v1/audit-logs", None),
    "neuroai_agents": ("GET", "neuroai/v1/agents", None),
    "neuroai": ("GET", "neuroai/v1/users", None),
    "nexus_thread": ("POST", "nexus/api/public/thread", {"message": "Hello"}),
    "nexus": ("GET", "nexus/api", None),
}


def call(sandbox, http, endpoint, keys, **options):
    """One call of an endpoint by its name, with the keys of all three systems."""
    method, path, body = CALLS[endpoint]
    headers = {
        "X-API-Key": keys["nimbus_os"],
        "Authorization": f"Bearer {keys['neuroai']}",
        "api-key": keys["nexus"],
        "X-Request-ID": "req_abc123",
    }
    return http.request(method, f"{sandbox.api_url}/{path}", headers=headers, json=body, **options)


def new_keys(sandbox):
    """A key of each system."""
    return {
        "nimbus_os": sandbox.new_nimbus_os_key(),
        "neuroai": sandbox.new_neuroai_key(),
        "nexus": sandbox.new_nexus_key(),
    }


def test_the_addresses_lie_on_the_api_port(sandbox):
    """Each system has its base on the API's port; the environment for the SDK does not name them."""
    assert sandbox.nimbus_os_url() == f"{sandbox.api_url}/nimbus-os/sandbox"
    assert sandbox.nimbus_os_url("production") == f"{sandbox.api_url}/nimbus-os/production"
    assert sandbox.neuroai_url == f"{sandbox.api_url}/neuroai"
    assert sandbox.nexus_url == f"{sandbox.api_url}/nexus"
    assert len(sandbox.environment()) == 3


@pytest.mark.parametrize("endpoint", CALLS)
def test_every_endpoint_is_noted_and_fails_on_demand_by_its_name(sandbox, http, endpoint):
    """The journal and the faults know each endpoint by one name."""
    keys = new_keys(sandbox)
    sandbox.fault(endpoint, status=503, headers={"Retry-After": "7"})
    broken, after = [call(sandbox, http, endpoint, keys) for _ in range(2)]
    assert (broken.status_code, broken.headers["retry-after"]) == (503, "7")
    assert after.status_code != 503
    assert [(exchange.endpoint, exchange.status) for exchange in sandbox.journal()] == [
        (endpoint, 503),
        (endpoint, after.status_code),
    ]


@pytest.mark.parametrize(
    ("endpoint", "fault", "status", "body"),
    [
        (
            "nimbus_os",
            {"status": 403},
            403,
            {
                "error": {
                    "code": "forbidden",
                    "message": "Insufficient permissions",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "nimbus_os",
            {"code": "unauthorized"},
            401,
            {
                "error": {
                    "code": "unauthorized",
                    "message": "Invalid or missing API key",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "nimbus_os",
            {"status": 502},
            502,
            {
                "error": {
                    "code": "internal_error",
                    "message": "Internal server error",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "neuroai_verify",
            {"status": 401},
            401,
            {"error": {"code": "unauthorized", "message": "Invalid or missing API key"}},
        ),
        (
            "neuroai_verify",
            {"code": "key_expired"},
            401,
            {"error": {"code": "key_expired", "message": "API key has expired"}},
        ),
        (
            "neuroai_keys",
            {"status": 429},
            429,
            {"error": {"code": "rate_limited", "message": "Rate limit exceeded"}},
        ),
        (
            "neuroai_keys",
            {"status": 418, "code": "teapot"},
            418,
            {"error": {"code": "teapot", "message": "I'm a Teapot"}},
        ),
        (
            "nexus_thread",
            {"status": 401},
            401,
            {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"},
        ),
        (
            "nexus_thread",
            {"code": "Forbidden"},
            403,
            {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"},
        ),
        (
            "nexus_thread",
            {"status": 500},
            500,
            {"statusCode": 500, "message": "Internal server error", "error": "Internal Server Error"},
        ),
        ("nexus_thread", {"body": {"odd": 1}}, 200, {"odd": 1}),
    ],
)
def test_a_fault_speaks_its_systems_language(sandbox, http, endpoint, fault, status, body):
    """A status or a code alone brings the error body of the system it strikes."""
    sandbox.fault(endpoint, **fault)
    answer = call(sandbox, http, endpoint, new_keys(sandbox))
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        (
            "nimbus_os",
            {"code": "payload_too_large", "message": "Request body is too large", "requestId": "r"},
        ),
        ("neuroai_verify", {"code": "payload_too_large", "message": "Request body is too large"}),
        ("nexus_thread", "Payload Too Large"),
    ],
)
def test_a_body_that_is_too_large_is_refused_in_the_systems_language(sandbox, http, endpoint, error):
    """413 has the form of the other refusals of the same system."""
    method, path, _ = CALLS[endpoint]
    headers = {"X-Request-ID": "r"}
    answer = http.request(method, f"{sandbox.api_url}/{path}", headers=headers, content=b"x" * 2**20 + b"x")
    assert (answer.status_code, answer.json()["error"]) == (413, error)


def test_a_fault_of_the_sandbox_itself_is_the_systems_500(sandbox, http, caplog, monkeypatch):
    """A failing endpoint answers 500 in its system's form, and logs a traceback without the key."""
    keys = new_keys(sandbox)

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("nimbus_sdk.sandbox.nexus.keys.NexusKeys.find_active", fail)
    answer = call(sandbox, http, "nexus_thread", keys)
    assert answer.json() == {
        "statusCode": 500,
        "message": "Internal server error",
        "error": "Internal Server Error",
    }
    assert "disk on fire" in caplog.text
    assert keys["nexus"] not in caplog.text


@pytest.mark.parametrize("reset", ["after_work", "after_head"])
def test_an_answer_can_be_lost_after_its_work_was_done(sandbox, http, reset):
    """The connection breaks, and yet the key was made, and a rotated secret is dead."""
    admin = sandbox.new_neuroai_key()
    auth, keys = {"Authorization": f"Bearer {admin}"}, f"{sandbox.neuroai_url}/v1/api-keys"
    sandbox.fault("neuroai_keys", reset=reset)
    with pytest.raises(httpx.NetworkError):
        http.post(keys, headers=auth, json={"name": "lost", "type": "team"})
    rows = http.get(keys, headers=auth).json()["data"]
    assert [row["name"] for row in rows] == ["sandbox", "lost"]
    assert [exchange.status for exchange in sandbox.journal()] == [
        None if reset == "after_work" else 201,
        200,
    ]

    sandbox.fault("neuroai_rotate", reset=reset)
    with pytest.raises(httpx.NetworkError):
        http.post(f"{keys}/{rows[0]['id']}/rotate", headers=auth)
    assert http.get(keys, headers=auth).status_code == 401


def test_a_cut_before_the_head_leaves_no_work_done(sandbox, http):
    """before_head breaks the connection while nothing has happened yet."""
    auth = {"Authorization": f"Bearer {sandbox.new_neuroai_key()}"}
    keys = f"{sandbox.neuroai_url}/v1/api-keys"
    sandbox.fault("neuroai_keys", reset="before_head")
    with pytest.raises(httpx.NetworkError):
        http.post(keys, headers=auth, json={"name": "lost", "type": "team"})
    assert len(http.get(keys, headers=auth).json()["data"]) == 1


def test_no_key_of_any_system_is_kept_or_logged(tmp_path, caplog, capfd, core_source):
    """Keys are in no journal, no database file, no log at DEBUG and no output, wherever a client put them."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test's own client logs URLs
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox, httpx.Client(trust_env=False) as http:
        keys = new_keys(sandbox)
        keys["production"] = sandbox.new_nimbus_os_key(environment="production")
        for endpoint in CALLS:
            call(sandbox, http, endpoint, keys, params={"q": keys["neuroai"], "key": keys["nexus"]})
        auth = {"Authorization": f"Bearer {keys['neuroai']}"}
        made = http.post(
            f"{sandbox.neuroai_url}/v1/api-keys", headers=auth, json={"name": "n", "type": "team"}
        ).json()
        keys["created"] = made["key"]
        rotate = f"{sandbox.neuroai_url}/v1/api-keys/{made['id']}/rotate"
        keys["rotated"] = http.post(rotate, headers=auth).json()["key"]
        for key in keys.values():
            careless = {"X-Key": key, "X-Request-ID": key[:120], "Referer": f"http://x/{key}", "Cookie": key}
            http.get(f"{sandbox.api_url}/lost/{key}", headers=careless)
            http.get(f"{sandbox.neuroai_url}/v1/{key}", headers=careless)
            http.get(f"{sandbox.nexus_url}/{key}", params={"x": f"is {key}"})
        kept = [repr(sandbox.journal()), repr(sandbox)]
        kept += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    kept += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    kept += [caplog.text, *capfd.readouterr()]
    assert len(kept) >= 7
    for text in kept:
        for name, key in keys.items():
            # The first characters of a NeuroAI secret are shown on purpose, as its prefix.
            secret = key.split(".")[1] if name == "nexus" else key[16:]
            assert secret not in text, name


def test_keys_of_all_systems_outlive_the_server(tmp_path, http, core_source):
    """After a restart on the same file good keys are good, dead ones dead, and what was off is off."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        keys, dead = new_keys(sandbox), new_keys(sandbox)
        silent = {**keys, "nexus": sandbox.new_nexus_key(integration_id="int_off")}
        sandbox.revoke_nimbus_os_key(dead["nimbus_os"])
        sandbox.revoke_neuroai_key(dead["neuroai"])
        sandbox.revoke_nexus_key(dead["nexus"])
        sandbox.disable_nexus("int_off")
    endpoints = ("nimbus_os", "neuroai_verify", "nexus_thread")
    with Sandbox(db=db, core_source=core_source) as sandbox:
        assert [call(sandbox, http, name, keys).status_code for name in endpoints] == [200, 200, 201]
        assert [call(sandbox, http, name, dead).status_code for name in endpoints] == [401, 401, 401]
        assert call(sandbox, http, "nexus_thread", silent).status_code == 403


def test_a_key_of_another_sandbox_is_a_stranger(sandbox, http, core_source):
    """Each sandbox has its own keys and its own signing secret."""
    with Sandbox(core_source=core_source) as other:
        foreign = new_keys(other)
    answers = [call(sandbox, http, name, foreign) for name in ("nimbus_os", "neuroai_verify", "nexus_thread")]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
