"""Words for the messages of the command line, which are in English."""


def counted(count: int, noun: str) -> str:
    """Return a number and a noun, such as "1 article" or "1,200 articles"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
