"""No key of a further service is anywhere but in its header and in the one credentials file."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.services.audit.verify import verify
from tests.services.conftest import ENDPOINT, PLAIN, SERVICES, base_of, key_for
from tests.support.evidence import everything_in


@pytest.fixture
def log():
    """Everything that any logger says, at its most talkative."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "httpcore", "nimbus_sdk")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def everything(service: str, box, key: str, texts: list[str]) -> list[str]:
    """Good calls and bad ones of one client; gives all secrets that were met on the way."""
    secrets, method, path, body = [key], *PLAIN[service]
    with getattr(services, service)(key, base_url=base_of(box, service)) as client:
        texts.append(repr(client))
        texts.append(repr(client.request(method, path, json=body)))
        client.save_key()
        if service == "NeuroAI":
            issued = client.create_key("canary", role="Viewer", save=True)
            secrets.append(issued.secret.get_secret_value())
            texts += [repr(issued), str(issued), issued.notice]
        if service == "NimbusOS":
            secrets.append(box.new_nimbus_os_key())
            texts.append(str(client.rotate_key(secrets[-1])))
        for fault in ({"status": 401}, {"status": 403}, {"reset": "after_work"}, {"html": True}):
            box.fault(ENDPOINT[service], **fault, times=None)
            with pytest.raises(NimbusError) as caught:
                client.request(method, path, json=body)
            box.clear_faults()
            texts += [everything_in(caught.value), "".join(traceback.format_exception(caught.value))]
        # A body that repeats the key that it was sent, as a careless service might.
        sent = secrets[-1] if service == "NimbusOS" else key
        careless = {"message": f"key {sent} is refused", "error": f"for {sent}"}
        box.fault(ENDPOINT[service], status=403, body=careless)
        with pytest.raises(NimbusError) as caught:
            client.request(method, path, json=body)
        texts.append(everything_in(caught.value))
    return secrets


@pytest.mark.parametrize("service", SERVICES)
def test_no_key_is_found_anywhere(service, box, log, capfd, isolated_home, paths):
    """Logs at DEBUG, output, errors with all their frames, representations, files: masked or not at all."""
    texts: list[str] = []
    secrets = everything(service, box, key_for(box, service), texts)

    async def awaited() -> None:
        async with getattr(services, f"Async{service}")(secrets[0], base_url=base_of(box, service)) as client:
            method, path, body = PLAIN[service]
            await client.request(method, path, json=body)
            texts.append(repr(client))

    asyncio.run(awaited())
    output = capfd.readouterr()
    text = "\n".join([log.getvalue(), output.out, output.err, *texts])
    for file in isolated_home.rglob("*"):
        if file.is_file() and str(file) != paths.credentials:
            text += file.read_text(errors="replace")
    for secret in secrets:
        assert secret not in text
        assert secret[4:-4] not in text
    assert Path(paths.credentials).stat().st_mode & 0o777 == 0o600
    assert any(secret in Path(paths.credentials).read_text() for secret in secrets)
    assert verify(paths, "nimbus-os")


@pytest.mark.parametrize("service", SERVICES)
def test_the_log_is_not_silent(service, box, log):
    """The search above would find nothing in an empty log either, so: the call is in it, its key masked."""
    method, path, body = PLAIN[service]
    with getattr(services, service)(key_for(box, service), base_url=base_of(box, service)) as client:
        client.request(method, path, json=body)
    assert f"{method} http" in log.getvalue()
    assert "send_request_headers" in log.getvalue()


@pytest.mark.parametrize("service", SERVICES)
def test_no_key_is_in_a_url(service, box):
    """The sandbox saw every path and query as it came."""
    key = key_for(box, service)
    method, path, body = PLAIN[service]
    with getattr(services, service)(key, base_url=base_of(box, service)) as client:
        client.request(method, path, json=body, params={"page": 1})
    (exchange,) = box.journal()
    assert exchange.path.endswith("?page=1")
