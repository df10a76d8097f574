"""The errors of the core.

NimbusCoreError
├── CoreDataError        (ValueError) data, labels, metadata or hyper-parameters that cannot be used
│   └── CoreTypeError    (TypeError)  data that are not numbers
├── ModelFileError       (ValueError) a model file that is damaged or not one of ours
│   └── ModelNotFoundError (FileNotFoundError) a name or a path without a model
├── MissingLibraryError  (ImportError) an optional library that this needs is not installed
├── StreamError          (ConnectionError) a live stream that is not there, or sends nothing
├── ModelMismatchError   (TypeError) a model of another kind, or data made for another model
└── NotTrainedError      (ValueError, AttributeError) a model that is used before it is trained
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    _Root = Exception
else:
    # A program that uses the SDK catches all errors as NimbusError; the core works without the SDK. Importing
    # a module that another thread is importing waits until it is complete.
    _Root = (
        import_module("nimbus_sdk.errors").NimbusError if sys.modules.get("nimbus_sdk.errors") else Exception
    )


class NimbusCoreError(_Root):
    """The root of every error that this package raises on purpose; with the SDK it is a ``NimbusError``.

    Args:
        message: What happened.
        hint: What to do next.

    Examples:
        >>> str(NimbusCoreError("The file is empty.", "Download it again."))
        'The file is empty. Download it again.'
    """

    def __init__(self, message: str, hint: str) -> None:
        Exception.__init__(self, message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class CoreDataError(NimbusCoreError, ValueError):
    """Data, labels, metadata or hyper-parameters that cannot be used as they are."""


class CoreTypeError(CoreDataError, TypeError):
    """Data that are not numbers."""


class ModelFileError(NimbusCoreError, ValueError):
    """A model file that is missing, damaged, too large or not a Nimbus model."""


class ModelNotFoundError(ModelFileError, FileNotFoundError):
    """No model has this name, or there is no file at this path."""

    def __str__(self) -> str:
        return NimbusCoreError.__str__(self)


class MissingLibraryError(NimbusCoreError, ImportError):
    """An optional library that is needed is not installed."""

    # Of the command line, as of the SDK's error of that name.
    exit_code = 2


class StreamError(NimbusCoreError, ConnectionError):
    """A live stream is not there, cannot be read, or sends no samples."""

    # Of the command line, as of other connections.
    exit_code = 9

    def __str__(self) -> str:
        return NimbusCoreError.__str__(self)


class ModelMismatchError(NimbusCoreError, TypeError):
    """A model of another kind than the requested one, or data made for another model."""


class NotTrainedError(NimbusCoreError, ValueError, AttributeError):
    """A model that is not trained was used as if it were."""
