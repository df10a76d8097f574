"""Flows of requests, and the drivers that run them over HTTP."""
