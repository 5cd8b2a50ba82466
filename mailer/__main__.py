"""`python -m mailer` and the command `mailer`."""

import gc
import os
import sys

from mailer.cli import run


def main() -> None:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins reads every package's metadata
    # What a short command imports is not garbage; searching it for garbage would take a quarter of the time.
    gc.set_threshold(200_000)
    code = run(sys.argv[1:])
    gc.freeze()  # nor is there anything to find at the end
    sys.exit(code)


if __name__ == "__main__":
    main()
