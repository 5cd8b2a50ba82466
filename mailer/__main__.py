"""Runs the command line, for both `python -m mailer` and the command `mailer`."""

import gc
import os
import sys

from mailer.cli import run


def main() -> None:
    # To find plugins, pydantic would read the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Almost no object of a short command becomes garbage, and the usual collections would take a quarter of its time.
    gc.set_threshold(200_000)
    code = run(sys.argv[1:])
    gc.freeze()  # so that the collection at exit has no objects to search
    sys.exit(code)


if __name__ == "__main__":
    main()
