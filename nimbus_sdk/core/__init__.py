"""The core: its installation, license checks, models, bundles, and the wrapping of its public names."""
