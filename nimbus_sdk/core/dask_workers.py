"""Dask plugin that loads the core in each worker of a cluster, and brings the license without the key.

``predict_batch`` on a Dask array works without it: unpickling loads the core that is installed on the
worker's machine. The plugin is for your own functions that use the SDK on workers, and for features that
need a license, on machines without a session of their own.
"""

from __future__ import annotations

from dataclasses import replace

from nimbus_sdk.account.session import current_session
from nimbus_sdk.core.license_gate import set_fallback_session
from nimbus_sdk.core.wheel import loader
from nimbus_sdk.errors import MissingLibraryError
from nimbus_sdk.errors.python_environment import install_hint

try:
    from distributed import WorkerPlugin
except ModuleNotFoundError:
    raise MissingLibraryError(
        "dask.distributed is not installed.", hint=install_hint(["dask[array]", "distributed"])
    ) from None


class NimbusWorkers(WorkerPlugin):
    """Loads the core in every worker and sets the session of the current process there.

    The session is sent without the key, user, name, e-mail and organization. It applies to workers that
    join later as well.

    Raises:
        SessionError: This process has no valid session.

    Examples:
        >>> from distributed import Client  # doctest: +SKIP
        >>> Client("tcp://scheduler:8786").register_plugin(NimbusWorkers())  # doctest: +SKIP
    """

    name = "nimbus-sdk"

    def __init__(self) -> None:
        self.session = replace(current_session(), user_id=None, email=None, name=None, organization=None)

    def setup(self, worker: object) -> None:
        """Set the session and load the core; Dask calls it on every worker.

        Raises:
            CoreError: The worker's machine has no core, or one that does not load.
        """
        set_fallback_session(self.session)
        loader.load()
