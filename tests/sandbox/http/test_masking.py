"""No secret is in anything that the sandbox stores or returns."""

from __future__ import annotations

import logging

import httpx

from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.http.masking import mask_key, mask_path, mask_text
from tests.support.sandbox_requests import (
    SERVICE_REQUESTS,
    new_service_keys,
    request_service,
    run_installation,
)


def test_no_secret_is_stored_or_logged(tmp_path, caplog, capfd, core_source):
    """Key and token are in no journal, no database file, no log at DEBUG and no output."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test's own client logs URLs
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        key = sandbox.new_key()
        token = run_installation(sandbox, key)
        texts = [repr(sandbox.journal()), repr(sandbox.keys()), repr(sandbox.audit()), repr(sandbox)]
        texts += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    texts += [caplog.text, *capfd.readouterr()]
    assert len(texts) >= 8
    for text in texts:
        assert key[10:] not in text
        assert token[4:] not in text


def test_no_key_of_any_service_is_stored_or_logged(tmp_path, caplog, capfd, core_source):
    """Keys are in no journal, no database file, no log at DEBUG and no output, wherever a client put them."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test's own client logs URLs
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox, httpx.Client(trust_env=False) as http:
        keys = new_service_keys(sandbox)
        keys["production"] = sandbox.new_nimbus_os_key(environment="production")
        for endpoint in SERVICE_REQUESTS:
            request_service(
                sandbox, http, endpoint, keys, params={"q": keys["neuroai"], "key": keys["nexus"]}
            )
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
        texts = [repr(sandbox.journal()), repr(sandbox)]
        texts += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    texts += [caplog.text, *capfd.readouterr()]
    assert len(texts) >= 7
    for text in texts:
        for name, key in keys.items():
            # The first characters of a NeuroAI secret are visible on purpose, as its prefix.
            secret = key.split(".")[1] if name == "nexus" else key[16:]
            assert secret not in text, name


def test_what_is_not_secret_stays_readable():
    """A mask leaves the ends of a key, and all of a text, path and query that is no secret."""
    assert mask_key("nbci_test_" + "0123456789ab" * 4) == "nbci_test_0123…89ab"
    assert mask_text("token ghp_abcdef1234 of user 7") == "token ghp_*** of user 7"
    masked = mask_path("/v1/installer/github-token", "api_key=secret&x=1")
    assert masked == "/v1/installer/github-token?api_key=***&x=1"
