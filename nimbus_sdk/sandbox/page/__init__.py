"""The sandbox's page in a browser, and the description of its HTTP APIs."""
