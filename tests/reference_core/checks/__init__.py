"""Tests of nimbus_sdk_core.checks."""
