import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import html5lib
import mail_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from mailer.errors import UnreadableInput
from mailer.mail import placeholders, view
from mailer.model import DeliveryKind, Issue
from mailer.text.headlines import LONGEST_SUBJECT

XHTML = "{http://www.w3.org/1999/xhtml}"
PERSIAN = re.compile("[\u0621-\u06d3]")
# The properties that nearly every mail program supports (caniemail).
PROPERTIES = {
    *("background-color", "color", "font-family", "font-size", "font-weight", "line-height", "text-align", "display"),
    *("padding", "padding-top", "padding-bottom", "padding-left", "padding-right", "margin", "margin-top", "width"),
    "mso-padding-alt",
    *("max-width", "max-height", "height", "border", "border-top", "border-radius", "border-collapse", "overflow"),
    *("direction", "text-decoration", "word-break", "white-space", "color-scheme", "supported-color-schemes"),
    *("mso-hide", "mso-line-height-rule", "mso-table-lspace", "mso-table-rspace"),
    *("-webkit-text-size-adjust", "-ms-text-size-adjust"),
}


def parsed(markup: str) -> Any:
    """Returns the tree, after checking that a parser has nothing to repair."""
    parser = html5lib.HTMLParser()
    tree = parser.parse(markup)
    assert [error[1] for error in parser.errors] == []
    return tree


def raw(sample: Issue | None = None) -> str:
    """Returns the HTML before inlining, which silently repairs broken markup."""
    own = {"greeting": view.greeting("نرگس"), "unsubscribe_url": samples.UNSUBSCRIBE}
    return placeholders.fill(samples.renderer().raw(DeliveryKind.ISSUE, samples.values(sample)), own, "html")


def sample_issues() -> list[Issue]:
    bare = samples.story(1, image_url="", lead="", url="")
    more = samples.story(2, also=((9, "https://iran.example/9", "گزارش دیگر"),))
    return [samples.issue(), samples.issue((bare,)), samples.issue((bare, more), number=None), samples.issue(())]


@pytest.mark.parametrize("number", range(4))
def test_the_markup_needs_no_repair_and_is_right_to_left_everywhere(number: int) -> None:
    sample = sample_issues()[number]
    parsed(raw(sample))
    html, _ = samples.merged(samples.rendered(sample))
    tree = parsed(html)
    body = tree.find(f"{XHTML}body")
    wrapper = body[0]
    for element in (tree, body, wrapper):
        assert (element.get("lang"), element.get("dir")) == ("fa", "rtl")
    assert wrapper.get("role") == "article"
    assert wrapper.get("aria-label").startswith("ایران من")
    assert "direction:rtl" in wrapper.get("style").replace(" ", "")
    for table in tree.iter(f"{XHTML}table"):
        reset = [table.get(name) for name in ("role", "dir", "border", "cellpadding", "cellspacing")]
        assert reset == ["presentation", "rtl", "0", "0", "0"]
        assert not any((text or "").strip() for text in (table.text, *(child.tail for child in table)))
    for inside in re.findall(r"<!--\[if mso\]><table([^>]*)>", html):
        assert 'role="presentation" dir="rtl"' in inside
    assert html.count("<table") == html.count("</table>")
    levels = [int(each.tag[-1]) for each in tree.iter() if re.fullmatch(rf"{XHTML}h[1-6]", str(each.tag))]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pictures_have_alt_texts_and_links_say_where_they_lead() -> None:
    tree = parsed(samples.merged(samples.rendered())[0])
    pictures = list(tree.iter(f"{XHTML}img"))
    assert len(pictures) > 4
    for picture in pictures:
        assert picture.get("alt").strip()
        assert picture.get("width").isdigit()
    for link in tree.iter(f"{XHTML}a"):
        assert re.fullmatch(r"https://[!-~]+", link.get("href"))
        assert link.get("dir") is None  # Outlook draws it wrong
        assert "".join(link.itertext()).strip() not in ("اینجا", "ادامه", "بیشتر")


def test_styles_are_inlined_and_the_kept_ones_stay() -> None:
    html = samples.rendered().html
    kept = re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL)
    assert any("prefers-color-scheme" in style and "max-width:480px" in style for style in kept)
    assert sum(len(style.encode()) for style in kept) < 8192
    assert "@font-face" not in html
    for style in re.findall(r' style="([^"]*)"', html):
        assert "!important" not in style
        assert not re.search(r"var\(|calc\(|url\(|rgb", style)
        assert {part.split(":")[0].strip() for part in style.split(";") if part.strip()} <= PROPERTIES


def test_a_mail_links_only_stories_pictures_and_the_service() -> None:
    html, text = samples.merged(samples.rendered())
    hosts = set(re.findall(r"(?:https?:)?//([\w.-]+)", html + text))
    assert hosts == {"iran.example", "cdn.iran.example", "news.example.org"}
    assert not re.search(r"<(script|link|iframe|form|object|svg|video|base|bdi|section|main)\b", html)


def test_the_preheader_comes_first_and_is_hidden_without_colour() -> None:
    tree = parsed(samples.merged(samples.rendered())[0])
    first = tree.find(f"{XHTML}body")[0][0]
    style = first.get("style").replace(" ", "")
    assert "display:none" in style
    assert "mso-hide:all" in style
    assert "color" not in style
    assert first.text == view.preheader(samples.issue(), samples.NEWSLETTER)


def test_persian_comes_through_unharmed() -> None:
    html, text = samples.merged(samples.rendered())
    for one in samples.issue().stories:
        assert one.title.replace("۹۰+۴", '<span class="run" dir="ltr" style="white-space:nowrap">۹۰+۴</span>') in html
        assert one.title in re.sub("[\u2066\u2069]", "", text)
    shown = sum(one.title.count("\u200c") for one in samples.issue().stories)
    in_headings = "".join(
        "".join(each.itertext()) for each in parsed(html).iter() if str(each.tag)[-2:] in ("h2", "h3")
    )
    assert in_headings.count("\u200c") == shown
    assert not re.search("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u00ad]", html)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]", html + text)
    visible = re.sub(r"<style.*?</style>|<!--.*?-->|<[^>]*>|&\w+;", " ", html, flags=re.DOTALL)
    assert not re.search(r"[0-9]|[\u0660-\u0669\u064a\u0643]", visible)
    assert "شمارهٔ ۴۷، دوشنبه ۲ آذر ۱۴۰۵" in visible


def test_the_text_part_reads_right_to_left_and_addresses_are_alone_on_a_line() -> None:
    _, text = samples.merged(samples.rendered())
    for line in text.split("\n"):
        if PERSIAN.search(line):
            assert line.startswith("\u200f\u202b")
            assert line.endswith("\u202c")
        if "//" in line:
            assert re.fullmatch(r"https://[!-~]+", line)
    assert samples.UNSUBSCRIBE in text.split("\n")
    assert "\n\n\n" not in text
    assert "سلام نرگس عزیز،" in text
    assert "سلام،" in samples.merged(samples.rendered(), "")[1]


def test_both_parts_have_the_same_stories() -> None:
    html, text = samples.merged(samples.rendered())
    links = re.compile(r"https://iran\.example/[^\s\"]+")
    assert set(links.findall(html)) == set(links.findall(text))
    assert len(set(links.findall(text))) == 12


def test_a_full_issue_is_far_below_what_gmail_cuts() -> None:
    slug = "%D8%AE" * 60
    stories = tuple(
        samples.story(
            n,
            lead=" ".join(["گزارش‌ها"] * 60),
            url=f"https://iran.example/fa/news/{n}/{slug}",
            also=(
                (1, f"https://iran.example/1/{slug}", "خبر " * 20),
                (2, f"https://iran.example/2/{slug}", "خبر " * 20),
            ),
        )
        for n in range(1, 13)
    )
    html, text = samples.merged(samples.rendered(samples.issue(stories)))
    assert len(html.encode()) * 4 / 3 * 78 / 76 < 90_000
    assert len(text.encode()) * 4 / 3 < 50_000
    normal, _ = samples.merged(samples.rendered())
    assert len(normal.encode()) * 4 / 3 < 40_000


HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "تیتر\u202eوارونه\u2066",
    "{{ brand }} {% raw %} {{ 7*7 }}",
    "=?utf-8?b?YQ0KQmNjOiB4QHkueg==?=",
    "خبر " * 1250,
    "خ" * 5000,
    "\x02unsubscribe_url\x03",
    "</title></style><!--reader--><!--[if mso]>",
    "--> &lt;b&gt; &amp;",
    "a\r\nBcc: thief@evil.example\r\n\r\n<h1>x</h1>",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_text_is_only_text(title: str) -> None:
    bad = [
        samples.story(
            n, title=title, lead=title, section=title, image_alt=title, also=((1, "https://iran.example/a", title),)
        )
        for n in (1, 2)
    ]
    sample = samples.issue((*bad, *(samples.story(n) for n in range(3, 13))))
    mail = samples.rendered(sample)
    assert "\n" not in mail.subject
    assert len(mail.subject.strip("\u200f")) <= LONGEST_SUBJECT
    assert placeholders.names(mail.subject) == set()
    html, text = samples.merged(mail)
    parsed(raw(sample))
    tree = parsed(html)
    assert not list(tree.iter(f"{XHTML}script"))
    assert len(list(tree.iter(f"{XHTML}h1"))) == 1
    assert not any(name.startswith("on") for each in tree.iter() for name in each.keys())  # noqa: SIM118
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", html)
    assert len(html.encode()) * 4 / 3 < 90_000
    assert html.count(samples.UNSUBSCRIBE) == text.count(samples.UNSUBSCRIBE) == 1
    assert "49" not in html.split("</style>")[-1]


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_any_text_leaves_the_markup_whole(title: str, lead: str) -> None:
    sample = samples.issue((samples.story(1, title=title, lead=lead), samples.story(2, title=lead, lead=title)))
    parsed(raw(sample))


def own_folder(tmp_path: Path, **templates: str) -> Path:
    (tmp_path / "mail").mkdir()
    for name, text in templates.items():
        (tmp_path / "mail" / name.replace("__", ".")).write_text(text, "utf-8")
    return tmp_path


def test_a_newsrooms_own_template_wins_and_the_others_stay(tmp_path: Path) -> None:
    folder = own_folder(tmp_path, issue__subject__txt="{{ brand }}: {{ subject }}\n")
    mail = samples.renderer(folder).mail(DeliveryKind.ISSUE, samples.values())
    assert mail.subject.startswith("ایران من: شرکت Pars Robot")
    assert mail.html == samples.rendered().html


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n\n{{ nonsense }}", r"issue\.html:3: 'nonsense' is undefined"),
        ("\n{% for %}", r"issue\.html:2: "),
        ("{{ hero.title.__class__.__mro__ }}", r"issue\.html:1: .*unsafe"),
        ("{{ sections.append(1) }}", r"issue\.html:1: .*"),
        ("{{ range(9) }}", r"issue\.html:1: 'range' is undefined"),
        ("\n{{ 1 / 0 }}", r"issue\.html:2: division by zero"),
        ("{% include 'mail/issue.html' %}", r"issue\.html"),
        ("{% include '../../secret.key' %}", r"secret\.key"),
        ("{{ hero|nofilter }}", r"issue\.html:1: .*nofilter"),
    ],
)
def test_mistakes_in_templates_are_reported_with_file_and_line(tmp_path: Path, template: str, message: str) -> None:
    folder = own_folder(tmp_path, issue__html=template)
    with pytest.raises(UnreadableInput, match=message):
        samples.renderer(folder).mail(DeliveryKind.ISSUE, samples.values())


def test_templates_get_plain_values_only() -> None:
    for value in (object(), Markup("<b>"), samples.issue()):
        with pytest.raises(TypeError, match="plain values"):
            samples.renderer().mail(DeliveryKind.ISSUE, samples.values() | {"brand": value})


def test_the_links_of_the_text_part_are_numbered_and_at_the_end_of_their_section() -> None:
    also = ((7, "https://iran.example/7", "گزارشی دیگر"),)
    stories = (
        samples.story(1, also=also, lead="واژه " * 80),
        samples.story(2, lead="آ" * 300),
        samples.story(7, url=""),
    )
    lines = re.sub("[\u200e-\u202e\u2066-\u2069]", "", samples.rendered(samples.issue(stories)).text).split("\n")
    at = [lines.index(f"[{number}]") for number in "۱۲۳"]
    assert [lines[place + 1].split("/fa/")[0] for place in at] == [
        "https://iran.example",
        "https://iran.example/7",
        "https://iran.example",
    ]
    assert f"{samples.TITLES[0][1]} [۱]" in lines
    assert f"{samples.TITLES[1][1]} [۳]" in lines
    assert samples.TITLES[6][1] in lines, "a story without a link has no number"
    assert lines.index(f"{samples.TITLES[0][1]} [۱]") < at[0] < lines.index("▪ سیاست") < at[2]
    assert max(len(line) for line in lines if "://" not in line) <= 100
