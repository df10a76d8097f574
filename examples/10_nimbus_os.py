"""Nimbus OS: read orders, handle a refusal, rotate the key, and read the audit trail.

    pip install "..[sandbox]"
    python 10_nimbus_os.py                                     # on a sandbox
    NIMBUS_OS_API_KEY=… python 10_nimbus_os.py                 # a key for its sandbox environment

The key is changed on the sandbox only: with a key of your own, only the audit trail is written.
"""

from services_on_sandbox import sandbox_unless

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import InvalidKeyError, NimbusError
from nimbus_sdk.services import NimbusOS
from nimbus_sdk.services.audit.verify import latest, verify

with sandbox_unless("NIMBUS_OS_API_KEY") as sandbox:
    with NimbusOS() as client:
        try:
            orders = client.request("GET", "/orders")
        except NimbusError as error:
            raise SystemExit(str(error)) from None
        print(f"\nThe orders: {orders}")

    with NimbusOS("a-key-that-nobody-knows-of") as stranger:
        try:
            stranger.request("GET", "/orders")
        except InvalidKeyError as error:
            print(f"\nA refusal has a status ({error.status}), a code ({error.code}) and {error.request_id}.")

    if sandbox is not None:
        with NimbusOS() as client:
            client.save_key()
            print("\nThe portal has made a new key, which is tried before it is used:")
            print(client.rotate_key(sandbox.new_nimbus_os_key()))
            print("\nEverything works with it:")
            print(client.confirm_rotation())

    paths = Settings.load().paths
    print("\nThe audit trail:")
    for call in latest(paths, "nimbus-os", 5):
        entry, status = call.entry, call.outcome and call.outcome.status
        print(f"  {entry.when} {entry.who} {entry.method} {entry.path} -> {status or call.describe()}")
    print(f"  whole: {bool(verify(paths, 'nimbus-os'))}")
