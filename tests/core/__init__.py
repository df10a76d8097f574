"""Tests of finding, downloading, checking, unpacking and loading the core."""
