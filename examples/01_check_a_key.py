"""Check a key: where it comes from, what its license includes, what is left of this month's quota.

    pip install "..[sandbox]"
    python 01_check_a_key.py                                   # on a sandbox
    NIMBUS_API_KEY=nbci_live_… python 01_check_a_key.py        # with your own key

Nothing is installed, and nothing is stored on this machine.
"""

from on_sandbox import sandbox_unless_key

import nimbus_sdk

with sandbox_unless_key():
    print("\nSources of the key; the first that has one is used:")
    for source in nimbus_sdk.explain().sources:
        print(f"  {source.state:9} {source.location}  {source.key_masked or ''}")

    try:
        with nimbus_sdk.NimbusClient() as client:
            entitlement = client.validate()
    except nimbus_sdk.NimbusError as error:
        # The message says what happened and what to do next; there is never a whole key in it.
        raise SystemExit(str(error)) from None

    quota = entitlement.quota
    left = "unlimited" if quota.remaining is None else f"{quota.remaining:,} of {quota.monthly_limit:,}"
    print(f"\nLicense:  {entitlement.license_type}")
    print(f"Features: {', '.join(entitlement.features)}")
    print(f"Quota:    {left} inferences until {quota.resets_at:%Y-%m-%d}")
    print(f"Expires:  {entitlement.expires_at or 'never'}")
