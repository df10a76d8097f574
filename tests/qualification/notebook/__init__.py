"""The SDK in a real kernel and in a real JupyterLab."""
