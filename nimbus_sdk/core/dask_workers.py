"""Workers of a Dask cluster: the core loaded in each of them, and the license to use it, without the key.

``predict_batch`` on a Dask array needs nothing of this: what it sends brings the core along, if it is
installed there. The plugin is for functions of one's own that use the SDK on the workers, and for features
that the license must include, on machines that have no session themselves.
"""

from __future__ import annotations

from dataclasses import replace

from nimbus_sdk.account.session import current_session
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.license_gate import lend
from nimbus_sdk.core.wheel import loader
from nimbus_sdk.errors import ConfigurationError

try:
    from distributed import WorkerPlugin
except ModuleNotFoundError:
    raise ConfigurationError(
        "Clusters are Dask's, and dask.distributed is not installed.",
        hint="Run `pip install 'nimbusbci-sdk[dask]'`, then try again.",
    ) from None


class NimbusWorkers(WorkerPlugin):
    """Loads the core in every worker, and lends it the session of the process that made this.

    The session goes along without the key and without the person: neither name nor e-mail nor account.
    Workers that join later are served too.

    Raises:
        SessionError: This process has no session that counts.

    Example:
        >>> from distributed import Client  # doctest: +SKIP
        >>> Client("tcp://scheduler:8786").register_plugin(NimbusWorkers())  # doctest: +SKIP
    """

    name = "nimbus-sdk"

    def __init__(self) -> None:
        self.session = replace(current_session(), user_id=None, email=None, name=None, organization=None)

    def setup(self, worker: object) -> None:
        """Called by Dask on every worker.

        Raises:
            CoreError: The worker's machine has no core, or one that does not load.
        """
        lend(self.session)
        loader.load(Settings.load().paths.core)
