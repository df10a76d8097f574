"""Tests of what is said to the service."""
