"""The same calls with an event loop: ``nimbus_sdk.aio`` has them under the same names.

    pip install "..[sandbox]"
    python 05_async.py                                         # on a sandbox
    NIMBUS_API_KEY=nbci_live_… python 05_async.py              # with your own key

In a notebook, which runs a loop already, write ``await aio.install_core()`` in a cell.
"""

import asyncio

from on_sandbox import sandbox_unless_key

import nimbus_sdk
from nimbus_sdk import aio


async def main() -> None:
    """Install, then send three requests at once."""
    session = await aio.install_core()
    print(session)

    async with nimbus_sdk.AsyncNimbusClient() as client:
        health, entitlement, models = await asyncio.gather(
            client.health(), client.validate(), client.list_models(paradigm="motor_imagery")
        )
    print(f"The service is {health.status}; the license is {entitlement.license_type}.")
    for model in models:
        covered = await aio.check_model_license_compatibility(model.name)
        print(f"  {model.name}: {model.type}, {model.n_classes} classes, {'yes' if covered else 'no'}")


with sandbox_unless_key():
    asyncio.run(main())
