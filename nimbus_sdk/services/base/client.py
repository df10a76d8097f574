"""Moved: see :mod:`nimbus_sdk.transport.client`."""

from nimbus_sdk.transport.client import AwaitableClient, BlockingClient, awaitable, blocking

__all__ = ["AwaitableClient", "BlockingClient", "awaitable", "blocking"]
