"""What ``import nimbus_sdk_core`` finds: it becomes the installed core, or says how to install one."""

_becomes_core = True

import sys  # noqa: E402 - other threads look at the name above while this module imports

from nimbus_sdk.core.wheel import loader  # noqa: E402

loader.become_core(sys.modules[__name__])
