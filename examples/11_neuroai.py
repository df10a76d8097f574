"""NeuroAI: create, change, rotate and delete a key; and a rotation for a daily job.

    pip install "..[sandbox]"
    python 11_neuroai.py                                                       # on a sandbox
    NEUROAI_URL=https://… NEUROAI_API_KEY=… python 11_neuroai.py               # with your own key

With a key of your own, one key is made, changed, rotated and deleted again.
"""

from datetime import UTC, datetime, timedelta

from services_on_sandbox import sandbox_unless

from nimbus_sdk.errors import AnswerLostError, NimbusError
from nimbus_sdk.services import KeyType, NeuroAI, RateLimit, Role

with sandbox_unless("NEUROAI_API_KEY"), NeuroAI() as client:
    try:
        own = client.verify().key
        print(f"\nThe key in use: {own.name if own else 'unknown'}")

        issued = client.create_key(
            "Example of the SDK",
            description="deleted at the end of the example",
            role=Role.VIEWER,
            type=KeyType.SERVICE,
            expires_at=datetime.now(UTC) + timedelta(days=1),
            rate_limit=RateLimit(60),
        )
    except AnswerLostError as error:
        raise SystemExit(f"{error} (left behind: {error.left_behind})") from None
    except NimbusError as error:
        raise SystemExit(str(error)) from None

    # The secret masks itself; issued.secret.get_secret_value() gives it, and save=True would have stored it.
    print(f"Made {issued.info.name!r}, {issued.info.role}: {issued.secret}")
    print(issued.notice)

    print("\nAll keys:")
    for key in client.list_keys():
        print(f"  {key.name}: {key.role}, {key.type}, expires {key.expires_at or 'never'}")

    changed = client.update_key(issued.info.id, rate_limit=RateLimit(1000, per_seconds=3600))
    print(f"\nIts limit is now {changed.rate_limit}.")
    client.rotate_key(changed.id)
    print("Its old secret is invalid now.")
    client.delete_key(changed.id)
    print("It is deleted.")

    rotated = client.rotate_if_older_than(days=90)
    print("\nThe key in use was old and is rotated." if rotated else "\nThe key in use is new enough.")
