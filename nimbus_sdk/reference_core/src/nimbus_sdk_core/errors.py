"""What can go wrong in the core.

NimbusCoreError
├── CoreDataError        (ValueError) data, labels, metadata or hyper-parameters that cannot be used
│   └── CoreTypeError    (TypeError)  things among the data that are no numbers at all
├── ModelFileError       (ValueError) a model file that is damaged or not one of ours
│   └── ModelNotFoundError (FileNotFoundError) a name or a path that leads to no model
├── MissingLibraryError  (ImportError) an optional library that this needs is not installed
├── ModelMismatchError   (TypeError) a model of another kind, or data made for another model
└── NotTrainedError      (ValueError, AttributeError) a model that was asked before it was trained
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    _Root = Exception
else:
    # Whoever has come by the SDK catches all errors alike; the core by itself does without.
    _Root = getattr(sys.modules.get("nimbus_sdk.errors"), "NimbusError", Exception)


class NimbusCoreError(_Root):
    """The root of every error that this package raises on purpose; with the SDK it is a ``NimbusError``.

    Args:
        message: What happened.
        hint: What to do next.

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
    """Things among the data that are no numbers at all."""


class ModelFileError(NimbusCoreError, ValueError):
    """A model file that is missing, damaged, too large or not a Nimbus model."""


class ModelNotFoundError(ModelFileError, FileNotFoundError):
    """A name that no model here has, or a path where there is no file."""

    def __str__(self) -> str:
        return NimbusCoreError.__str__(self)


class MissingLibraryError(NimbusCoreError, ImportError):
    """An optional library that is needed here, and is not installed."""


class ModelMismatchError(NimbusCoreError, TypeError):
    """A model of another kind than the one asked for, or data made for another model."""


class NotTrainedError(NimbusCoreError, ValueError, AttributeError):
    """A model that was asked for something that only a trained model has."""
