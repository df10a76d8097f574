"""From a release to an installed wheel."""
