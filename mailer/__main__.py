"""Runs the command line, for both `python -m mailer` and the command `mailer`."""

import gc
import os
import sys

from mailer.cli import run


def main() -> None:
    # Disable plugins, because pydantic would look for them in the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Collect garbage rarely. Short commands make almost none, and by default, collecting takes a quarter of their time.
    gc.set_threshold(200_000)
    code = run(sys.argv[1:])
    gc.freeze()  # so that the collection at exit has no objects to search
    sys.exit(code)


if __name__ == "__main__":
    main()
