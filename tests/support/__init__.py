"""Servers, homes, clocks and other helpers of the tests."""
