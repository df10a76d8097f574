"""Quotas: what is left of this month's, and how a program stays within it.

pip install "..[sandbox]"
python 04_quotas.py                                        # on a sandbox
NIMBUS_API_KEY=nbci_live_… python 04_quotas.py             # with your own key; counts three inferences
"""

from on_sandbox import sandbox_unless_key

import nimbus_sdk


def show(title: str) -> None:
    """Print the quota of the stored session; this uses no network."""
    quota = nimbus_sdk.get_quota_status()
    left = "unlimited" if quota.remaining is None else f"{quota.remaining:,} of {quota.monthly_limit:,} left"
    print(f"{title:32} {left}, {quota.usage_percentage} % used")


with sandbox_unless_key():
    nimbus_sdk.authenticate()
    show("From the service, just now:")

    with nimbus_sdk.NimbusClient() as client:
        for _ in range(3):
            # The service counts an inference when it is reported.
            receipt = client.log_event(
                "inference", model_name="motor_imagery_4class_v1", inference_type="batch", duration_ms=2.5
            )
    print(f"Three inferences were reported; the service now has {receipt.quota.remaining:,} left.")

    show("Unchanged in the stored session:")
    nimbus_sdk.refresh_quota()
    show("After refresh_quota():")

    if nimbus_sdk.check_quota_and_refresh():
        print("Inferences are left: go on.")
    else:
        reset = nimbus_sdk.current_session().quota_reset_at
        print(f"Nothing is left until {reset:%Y-%m-%d %H:%M} UTC.")
