"""`python -m mailer` and the command `mailer`."""

import sys

from mailer.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
