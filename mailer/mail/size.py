"""How large a mail may be, and what is left out when it is larger. Does not choose stories: it only takes away."""

from collections.abc import Callable
from dataclasses import replace

from mailer.model import ChosenStory, Rendered

HTML_BYTES = 90_000  # encoded; Gmail cuts at about 102 kB, and a reader's own values still come in
MAIL_BYTES = 150_000  # both parts and the headers
_HEADERS = 4_000  # what headers and the marks between the parts take at most


def encoded(part: str) -> int:
    """The bytes of a part in base64 with its line ends, as it goes out."""
    whole = len(part.encode()) + part.count("\n")  # line ends become CRLF
    letters = -(-whole // 3) * 4
    return letters + -(-letters // 76) * 2


def fits(mail: Rendered) -> bool:
    return encoded(mail.html) <= HTML_BYTES and encoded(mail.html) + encoded(mail.text) + _HEADERS <= MAIL_BYTES


def fitted(stories: tuple[ChosenStory, ...], render: Callable[[tuple[ChosenStory, ...]], Rendered]) -> Rendered:
    """The mail of these stories, made to fit: from the last story up first everything but the headline goes, then the
    story itself. The first story and what stands around the stories always stay.
    """
    stories = tuple(sorted(stories, key=lambda story: story.position))
    mail = render(stories)
    for last in range(len(stories) - 1, 0, -1):
        if fits(mail):
            return mail
        bare = replace(stories[last], lead="", also=(), image_url="")
        stories = (*stories[:last], bare, *stories[last + 1 :])
        mail = render(stories)
    while len(stories) > 1 and not fits(mail):
        stories = stories[:-1]
        mail = render(stories)
    return mail
