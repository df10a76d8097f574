"""Tests of the local sandbox, over real sockets."""
