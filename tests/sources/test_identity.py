"""One item has one identity, whichever way it came; two items have two."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.model import FoundArticle, NamedArticle
from mailer.sources.found import Found
from mailer.sources.identity import canonical, distinguish, host, identify


def item(*, title: str = "باران در شمال", guid: str = "", url: str = "", lead: str = "") -> FoundArticle:
    return FoundArticle(title=title, source="khabar.example", guid=guid, url=url, lead=lead)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://www.khabar.example/fa/news/818316/باران-در-شمال", "khabar.example/fa/news/818316"),
        ("https://khabar.example/fa/news/818316", "khabar.example/fa/news/818316"),
        ("HTTPS://KHABAR.example:443/fa/news/818316/", "khabar.example/fa/news/818316"),
        ("https://khabar.example:8443/a", "khabar.example:8443/a"),
        # a day or a month is not an item's number
        ("https://khabar.example/13980418/باران", "khabar.example/13980418/" + quote("باران")),
        ("https://khabar.example/20231005/rain", "khabar.example/20231005/rain"),
        ("https://khabar.example/140207/rain", "khabar.example/140207/rain"),
        ("https://khabar.example/202310/rain", "khabar.example/202310/rain"),
        ("https://khabar.example/980418/rain", "khabar.example/980418/rain"),
        ("https://khabar.example/2023/10/05/rain", "khabar.example/2023/10/05/rain"),
        # … but a day and a serial is
        ("https://khabar.example/news/13980418000619/باران", "khabar.example/news/13980418000619"),
        ("https://khabar.example/20231005/818316/rain", "khabar.example/20231005/818316"),
        ("https://khabar.example/news/1234/rain", "khabar.example/news/1234/rain"),
        ("https://khabar.example/news/818316-rain/photo", "khabar.example/news/818316-rain/photo"),
        # the first number is the section's
        ("https://khabar.example/service/10002/818316/rain", "khabar.example/service/10002/818316"),
        # tracking and fragments
        ("https://khabar.example/a?utm_source=x&id=7&fbclid=y&b=2#top", "khabar.example/a?id=7&b=2"),
        ("https://khabar.example/a?UTM_Medium=x&_se=1", "khabar.example/a"),
        ("https://khabar.example/?p=123", "khabar.example?p=123"),
        ("https://khabar.example/a%2Fb", "khabar.example/a%2Fb"),
        ("https://خبر.example/a", "خبر".encode("idna").decode() + ".example/a"),
        ("https://under_score.example/a", "under_score.example/a"),
        ("javascript:alert(1)", ""),
        ("mailto:a@b.example", ""),
        ("/news/818316", ""),
        ("https://khabar.example:port/", ""),
        ("https://[::1/", ""),
        ("", ""),
    ],
)
def test_canonical_link(url: str, expected: str) -> None:
    assert canonical(url) == expected


@given(st.text(alphabet="ابپکی‌ -+&=?/%#۱a1", max_size=20), st.text(alphabet="ابkq ۲", max_size=8))
@settings(max_examples=200, deadline=None)
def test_encoded_or_raw_is_one_link(slug: str, value: str) -> None:
    encoded = f"https://khabar.example/x/{quote(slug, safe='')}?q={quote(value, safe='')}"
    lower = encoded.replace("%D8", "%d8").replace("%E2", "%e2")
    assert canonical(encoded) == canonical(lower)
    key = canonical(encoded)
    assert canonical("http://www." + key) == key  # a canonical link is its own canonical link


def test_raw_persian_is_the_encoded_one() -> None:
    raw = "https://khabar.example/گزارش/باران-در\u200cشمال"
    assert canonical(raw) == canonical(quote(raw, safe=":/")) != ""


def test_the_guid_counts_before_the_link() -> None:
    found = item(guid="818316", url="https://www.khabar.example/a")
    assert identify(found) == NamedArticle(found, "guid:khabar.example:818316", "khabar.example/a")
    assert identify(item(guid="818316")).identity == "guid:khabar.example:818316"
    moved = item(guid=" http://www.khabar.example/?p=12 ", url="https://khabar.example/other-slug")
    assert identify(moved).identity == "guid:khabar.example?p=12"
    assert identify(item(guid="https://khabar.example/?p=12")).identity == identify(moved).identity


def test_two_sites_may_number_their_items_alike() -> None:
    here, there = item(guid="1", url="https://a.example/x"), item(guid="1", url="https://b.example/x")
    assert identify(here).identity != identify(there).identity


def test_versions_in_a_guids_fragment_are_one_item() -> None:
    link = "https://khabar.example/articles/c1234?at_medium=RSS"
    first, second = (item(guid=f"https://khabar.example/articles/c1234#{number}", url=link) for number in (0, 7))
    for found in map(identify, (first, second)):
        assert (found.identity, found.link) == ("guid:khabar.example/articles/c1234", "khabar.example/articles/c1234")


def test_other_fragments_distinguish_items() -> None:
    one, two = (
        item(guid=f"https://khabar.example/today.html#a0{n}", url=f"https://khabar.example/today.html#a0{n}")
        for n in (1, 2)
    )
    assert identify(one).identity != identify(two).identity


def test_the_title_alone_is_never_an_identity() -> None:
    rubrics = [item(title="خبر", lead="باران بارید."), item(title="خبر", lead="برف بارید.")]
    assert len({identify(each).identity for each in rubrics}) == 2
    assert identify(rubrics[0]).identity == identify(item(title="خبر", lead="باران  باريد")).identity
    assert identify(rubrics[0]).identity.startswith("text:")
    assert identify(rubrics[0]).link == ""


def test_the_front_page_is_not_the_link_of_an_item() -> None:
    one, two = item(url="https://khabar.example/", lead="الف"), item(url="https://khabar.example", lead="ب")
    assert identify(one).link == ""
    assert identify(one).identity != identify(two).identity


def test_a_very_long_guid_stays_short() -> None:
    identity = identify(item(guid="x" * 100_000)).identity
    assert len(identity) < 400
    assert identity != identify(item(guid="x" * 100_001)).identity


def test_host() -> None:
    assert host("http://WWW.Khabar.example:80/x") == "khabar.example"
    assert host("khabar.example") == ""


# --- items of one document -------------------------------------------------------------------------------------------
def apart(*items: FoundArticle, archive: bool = False) -> tuple[list[str], tuple[str, ...]]:
    found = distinguish("feed.xml", Found(items), archive=archive)
    return [identify(each).identity for each in found.articles], found.notes


@pytest.mark.parametrize(
    "guid",
    ["0", "N/A", "-", "null", "https://khabar.example/", "http://www.khabar.example", "#", "[object Object]", "-1"],
)
def test_a_guid_that_says_nothing_is_none(guid: str) -> None:
    names, notes = apart(*(item(title=f"خبر {n}", guid=guid, url=f"https://khabar.example/{n}") for n in (1, 2)))
    assert names == ["link:khabar.example/1", "link:khabar.example/2"]
    assert f"2 guids say nothing, such as {guid!r}" in notes[0]


def test_a_guid_that_different_items_share_is_none() -> None:
    shared = "https://khabar.example/rss/politics"
    names, notes = apart(*(item(title=f"خبر {n}", guid=shared, url=f"https://khabar.example/{n}") for n in (1, 2)))
    assert names == ["link:khabar.example/1", "link:khabar.example/2"]
    assert "2 items share a guid or a link" in notes[0]
    same = [
        item(title="خبر", guid="7", url="https://khabar.example/1"),
        item(title="خبر", guid="7", url="https://khabar.example/2"),
    ]
    assert len(set(apart(*same)[0])) == 1, "one title: the item is listed in two sections"
    edited = [item(title=f"خبر {n}", guid="7", url=f"https://khabar.example/818316/slug-{n}") for n in (1, 2)]
    assert len(set(apart(*edited)[0])) == 1, "one link: two versions of the item"


def test_a_sections_number_in_the_links() -> None:
    items = [item(title=f"خبر {n}", url=f"https://khabar.example/a/20001/slug-{n}") for n in (1, 2, 3)]
    names, notes = apart(*items)
    assert names == [f"link:khabar.example/a/20001/slug-{n}" for n in (1, 2, 3)]
    assert len(notes) == 1
    found = distinguish("feed.xml", Found(tuple(items)))
    assert [identify(each).link for each in found.articles] == [f"khabar.example/a/20001/slug-{n}" for n in (1, 2, 3)]


def test_links_that_differ_only_in_the_fragment() -> None:
    live = [item(title=f"خبر {n}", url=f"https://khabar.example/live#post-{n}") for n in (1, 2)]
    assert apart(*live)[0] == ["link:khabar.example/live#post-1", "link:khabar.example/live#post-2"]
    numbered = [
        item(title=f"خبر {n}", guid=f"https://khabar.example/p#{n}", url="https://khabar.example/p") for n in (1, 2)
    ]
    assert apart(*numbered)[0] == ["guid:khabar.example/p#1", "guid:khabar.example/p#2"]


def test_items_with_one_link_are_named_by_their_titles_too() -> None:
    items = [item(title=f"خبر {n}", guid="N/A", url="https://khabar.example/news") for n in (1, 2)]
    names, _ = apart(*items, items[0])
    assert len(set(names)) == 2
    assert names[0] == names[2]
    assert apart(*items)[0] == names[:2], "the same at every import"


def test_an_archive_may_hold_several_versions_of_an_item() -> None:
    versions = [item(title=f"خبر {n}", url="https://khabar.example/news/818316") for n in (1, 2)]
    assert len(set(apart(*versions, archive=True)[0])) == 1
    assert len(set(apart(*versions)[0])) == 2, "a feed lists each item once"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["باران", "برف", "تگرگ"]),
            st.sampled_from(["", "0", "7", "https://a.example/p#1", "https://a.example/p#2"]),
            st.sampled_from(
                ["", "https://a.example/", "https://a.example/20001/x", "https://a.example/20001/y", "x:y"]
            ),
        ),
        max_size=8,
    ),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_items_with_different_titles_and_links_are_never_one(rows: list[tuple[str, str, str]], archive: bool) -> None:
    found = Found(tuple(item(title=title, guid=guid, url=url) for title, guid, url in rows))
    named = [identify(each) for each in distinguish("f", found, archive=archive).articles]
    assert [each.article.title for each in named] == [title for title, _, _ in rows]
    for one in named:
        for other in named:
            links = {canonical(each.article.url) for each in (one, other)} - {"", "a.example"}
            differ = one.article.title != other.article.title and len(links) == 2
            assert not (differ and one.identity == other.identity and not archive)
