"""From a release to an installed wheel; knows no account."""
