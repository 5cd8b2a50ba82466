from base64 import encodebytes
from dataclasses import replace

import mail_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from mailer.mail.render import HTML_BYTES, encoded, fits, fitted
from mailer.model import ChosenStory, Rendered


def story(position: int) -> ChosenStory:
    return samples.story(position, also=((1, "https://iran.example/a", "دیگر"),))


def weighed(bytes_a_lead: int, bytes_a_story: int) -> tuple[list[tuple[ChosenStory, ...]], Rendered]:
    """Fits sixteen stories, and returns every attempt and the mail; the mail is as large as its leads."""
    tries: list[tuple[ChosenStory, ...]] = []

    def render(stories: tuple[ChosenStory, ...]) -> Rendered:
        tries.append(stories)
        size = sum(bytes_a_story + (bytes_a_lead if each.lead else 0) for each in stories)
        return Rendered("", "x" * size, "")

    return tries, fitted(tuple(story(n) for n in range(1, 17)), render)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_sizes_are_those_of_the_wire(text: str) -> None:
    text = text.replace("\r", "")
    wire = encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    assert encoded(text) == len(wire)


def test_what_fits_is_left_alone() -> None:
    tries, _ = weighed(1000, 1000)
    assert len(tries) == 1
    assert tries[0] == tuple(story(n) for n in range(1, 17))


def test_the_last_story_is_trimmed_first_and_only_as_many_as_need_be() -> None:
    tries, mail = weighed(5000, 1000)
    assert fits(mail)
    bare = [each.position for each in tries[-1] if not each.lead]
    assert bare == list(range(17 - len(bare), 17))
    assert not fits(Rendered("", "x" * (len(mail.html) + 5000), ""))
    assert all((each.also, each.image_url) == ((), "") for each in tries[-1] if not each.lead)
    assert tries[-1][0] == story(1)
    assert len(tries[-1]) == 16


def test_stories_go_only_when_headlines_alone_are_too_much() -> None:
    tries, mail = weighed(1000, 10_000)
    assert fits(mail)
    assert [each.position for each in tries[-1]] == list(range(1, len(tries[-1]) + 1))
    assert 1 < len(tries[-1]) < 16


def test_the_first_story_stays_whatever_it_weighs() -> None:
    tries, mail = weighed(HTML_BYTES, HTML_BYTES)
    assert not fits(mail)
    assert tries[-1] == (story(1),)


def test_order_is_by_position() -> None:
    shuffled = tuple(story(n) for n in (3, 1, 2))
    seen: list[tuple[ChosenStory, ...]] = []

    def render(stories: tuple[ChosenStory, ...]) -> Rendered:
        seen.append(stories)
        return Rendered("", "", "")

    fitted(shuffled, render)
    assert [each.position for each in seen[0]] == [1, 2, 3]
    assert replace(seen[0][0]) == story(1)
