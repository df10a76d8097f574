"""``python -m nimbus_sdk``: the command line, for when its script is not on the path."""

from nimbus_sdk.cli import main

if __name__ == "__main__":
    main()
