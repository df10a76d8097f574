"""Install the core, once on each machine. Calling it again makes no request.

    pip install "..[sandbox]"
    python 02_install.py                                       # on a sandbox
    NIMBUS_API_KEY=nbci_live_… python 02_install.py            # with your own key

In a terminal or a notebook there is a progress bar; here the steps are printed one by one.
"""

import time

from on_sandbox import sandbox_unless_key

import nimbus_sdk


def show(event: nimbus_sdk.ProgressEvent) -> None:
    """Print one step."""
    size = f" {event.done:,} of {event.total:,} bytes" if event.done is not None else ""
    print(f"  {event.stage:9} {event.message}{size}")


with sandbox_unless_key():
    print("\nThe first time:")
    session = nimbus_sdk.install_core(progress=show)
    print(session)

    print("\nThe second time, without any request:")
    started = time.perf_counter()
    session = nimbus_sdk.install_core(progress=show)
    print(f"  took {1000 * (time.perf_counter() - started):.1f} ms")

    status = nimbus_sdk.check_installation()
    print(f"\nCore {status.version} is in {status.path}")
    print("Every file is as published." if status else f"Problems: {status.problems}")
