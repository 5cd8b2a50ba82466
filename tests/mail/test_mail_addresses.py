"""A mail contains only addresses of the stories, the newsroom's pictures and this service, whatever a feed says."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import mail_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.model import DeliveryKind
from mailer.text.clean import clean
from mailer.text.links import web_address

HOSTS = (
    "iran.example",
    "www.iran.example",
    "cdn.iran.example",
    "news.example.org",
    "evil.example",
    "iran.example.evil",
)
PATHS = st.text(st.sampled_from("/?#&=%\"'<> aخ\\@:;,.-_\u202e\x02\x03\r\n"), max_size=12)
ADDRESSES = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["https://", "http://", "//", "javascript:", "https://user@", "HTTPS://"]),
        st.sampled_from(HOSTS),
        st.sampled_from(["", "/a.jpg", "/pixel.gif?u=1", ":8443/x", "/"]),
        PATHS,
    ),
    st.text(max_size=20),
)
WORDS = st.one_of(st.text(max_size=20), ADDRESSES)
RENDERER = samples.renderer()  # compiling templates takes longer than everything else
NEWSLETTER = samples.NEWSLETTER.model_copy(update={"base_url": "https://news.example.org"})
OURS = ("iran.example", "news.example.org", "example.org")


class Named(HTMLParser):
    """The addresses in the attributes of a part; found by a parser, as an alt text may contain "src="."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.all: set[str] = set()
        self.pictures: set[str] = set()
        self.feed(part)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {value or "" for name, value in attrs if name in ("href", "src")}
        self.all |= found
        if tag == "img":
            self.pictures |= found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ADDRESSES, ADDRESSES, ADDRESSES, WORDS), min_size=1, max_size=3))
def test_a_mail_has_no_other_addresses_whatever_a_feed_says(rows: list[tuple[str, str, str, str]]) -> None:
    stories = tuple(
        samples.story(
            n, url=url, image_url=picture, also=((9, other, words),), title=words, lead=words, image_alt=words
        )
        for n, (url, picture, other, words) in enumerate(rows, start=1)
    )
    html, text = samples.merged(RENDERER.mail(DeliveryKind.ISSUE, samples.values(samples.issue(stories), NEWSLETTER)))
    pages = {web_address(each) for url, _, other, _ in rows for each in (url, other)} - {""}
    words = {clean(each) for *_, each in rows}
    subscribe = f"{NEWSLETTER.base_url}/subscribe"
    ours = {samples.ARCHIVE, samples.UNSUBSCRIBE, subscribe, "https://iran.example"}
    named = Named(html)
    assert named.all - named.pictures <= pages | ours
    assert (
        set(re.findall(r"^https?://\S+$", text, re.MULTILINE)) <= pages | ours | words
    )  # a title may be an address, in words
    for address in named.pictures:
        parts = urlsplit(address)
        sites = (*OURS, *(urlsplit(web_address(url)).hostname or "-" for url, _, _, _ in rows))
        host = parts.hostname or ""
        assert parts.scheme == "https"
        assert any(host == site or host.endswith(f".{site}") for site in sites), address
    assert not re.search(r"url\(|<link|<base|@import|<meta http-equiv|srcset|background=", html)
