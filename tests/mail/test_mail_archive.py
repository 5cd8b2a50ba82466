import html5lib
import mail_samples as samples
import pytest

from mailer.issues import archive
from mailer.mail import placeholders


def test_the_archive_is_the_mail_without_its_reader() -> None:
    html = samples.rendered().html
    public = archive.public(html)
    assert placeholders.names(public) == set()
    assert "\x02" not in public
    assert "unsubscribe" not in public
    assert "لغو عضویت" not in public
    assert "سلام،" in public
    for story in samples.issue().stories[:4]:
        assert story.title in public
    assert samples.NEWSLETTER.name in public
    parser = html5lib.HTMLParser()
    parser.parse(public)
    assert parser.errors == []


def test_words_that_look_like_the_marks_cut_nothing() -> None:
    marked = samples.story(
        1, title="<!--reader--> یک", image_alt='<!--reader--> "<!--/reader-->"', lead="<!--reader--> دو"
    )
    public = archive.public(samples.rendered(samples.issue((marked, samples.story(2)))).html)
    assert public.count("&lt;!--reader--&gt;") >= 3
    assert samples.TITLES[1][1] in public


def test_our_own_pictures_are_seen_under_every_name_of_our_pages() -> None:
    greeting = placeholders.named("greeting")
    html = f'<p>{greeting}</p><img alt="" src="http://127.0.0.1:8025/media/a.jpg"><img src="https://iran.example/media/b.jpg">'
    public = archive.public(html, base_url="http://127.0.0.1:8025")
    assert ' src="../media/a.jpg"' in public
    assert ' src="https://iran.example/media/b.jpg"' in public


@pytest.mark.parametrize("broken", ["<!--reader--><p>", "<p><!--/reader-->", placeholders.named("unsubscribe_url")])
def test_a_template_that_would_leak_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"partner|unsubscribe_url"):
        archive.public(f"<p>{placeholders.named('greeting')}</p>{broken}")
