"""The core as a wheel: find its release, download, verify, unpack, switch, load. It knows no account."""
