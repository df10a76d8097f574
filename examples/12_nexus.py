"""Nexus: the claims in a key, and many questions at once.

pip install "..[sandbox]"
python 12_nexus.py                                         # on a sandbox
NEXUS_API_KEY=eyJ… python 12_nexus.py                      # with your own key: sends three messages
"""

import asyncio

from services_on_sandbox import sandbox_unless

from nimbus_sdk.errors import NimbusError
from nimbus_sdk.services import AsyncNexus

QUESTIONS = ("What is new?", "What is left to do?", "Who did what?")


async def main() -> None:
    """Look at the claims, then ask three things at once on one client."""
    async with AsyncNexus(client_version="1.0.0") as client:
        # Unverified: anybody could have written them. The service decides.
        claims = client.claims
        print(f"\nThe key claims {', '.join(sorted(claims.permissions))} until {claims.expires_at}.")
        client.require_permission("write")

        threads = await asyncio.gather(*(client.create_thread(question) for question in QUESTIONS))
    for question, thread in zip(QUESTIONS, threads, strict=True):
        print(f"{question} {thread.reply}")


with sandbox_unless("NEXUS_API_KEY"):
    try:
        asyncio.run(main())
    except NimbusError as error:
        raise SystemExit(str(error)) from None
