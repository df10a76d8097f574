"""Work offline: after one install, later programs need neither network nor key.

    pip install "..[sandbox]"
    python 03_offline_session.py                               # on a sandbox
    NIMBUS_API_KEY=nbci_live_… python 03_offline_session.py    # with your own key

The second program below runs in a process of its own, without the key, and with NIMBUS_SDK_OFFLINE=1, so
that an attempt to reach the network would be an error.
"""

import os
import subprocess
import sys

from on_sandbox import sandbox_unless_key

import nimbus_sdk

LATER_PROGRAM = """
import nimbus_sdk

session = nimbus_sdk.current_session()
print(session)
print("  license     ", session.license_type)
print("  features    ", ", ".join(sorted(session.features_enabled)))
print("  confirmed at", session.validated_at.isoformat(timespec="seconds"))
print("  expires at  ", session.expires_at or "never, unless the key is revoked")
session.require_feature("batch_inference")
print("  core        ", nimbus_sdk.check_installation().version)

try:
    nimbus_sdk.refresh_quota()
except nimbus_sdk.NimbusError as error:
    print("\\nAsking the service is refused:", error)
"""

with sandbox_unless_key():
    nimbus_sdk.install_core()
    print("Installed. Now another program, offline:\n", flush=True)
    offline = {**os.environ, "NIMBUS_SDK_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", LATER_PROGRAM], env=offline, check=True)
