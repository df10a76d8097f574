"""The sandbox's page in a real browser, and its OpenAPI document under a third party's client."""
