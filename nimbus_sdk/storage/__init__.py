"""What the SDK stores on this machine: private files, sealed records, and keys in the keyring or a file."""
