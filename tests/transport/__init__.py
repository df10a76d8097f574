"""Tests of what carries the conversations."""
