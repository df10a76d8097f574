"""Tests of whole stories on a running sandbox."""
