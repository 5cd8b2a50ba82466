"""Views from exports of web analytics and from access logs. The exports are those of the table in docs/articles.md."""

import gzip
import json
import os
from pathlib import Path

import make
import pytest
from make import Clock, only_sqlite
from web_server import web_server

from mailer.articles import collect, views
from mailer.context import App
from mailer.errors import UnreadableInput, UsageError
from mailer.sources import access_log, identity
from mailer.sources.fetch import Fetcher
from mailer.sources.found import Found
from mailer.store import schema

LINK = "https://iran.example/news/{}/slug"


@pytest.fixture
def site(app: App) -> App:
    """Three articles of one site, with the numbers 100001 to 100003."""
    collect.keep(
        app, [make.article(number, url=LINK.format(100_000 + number), guid="", views=None) for number in (1, 2, 3)]
    )
    return app


def given(
    app: App,
    folder: Path,
    content: str | bytes,
    *,
    name: str = "views.csv",
    site: str = "",
    server: str = "",
    recount: bool = False,
) -> views.Given:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = views.give(app, str(file), views.Known(app, site), fetcher=Fetcher(), server=server, recount=recount)
    views.finish(app)
    return found


def stored(app: App) -> dict[int, int | None]:
    return {int(each.url.split("/")[4]) - 100_000: each.views for each in collect.newest(app)}


GA4 = """# ----------------------------------------
# Pages and screens: Page path and screen class
# 20261119-20261125
# ----------------------------------------

Page path and screen class,Views,Active users,Views per active user,Average engagement time per active user
/news/100001/slug,1234,900,1.37,35.2
/news/100002/slug?utm_source=x,56,50,1.1,20
(not set),7,7,1,0
/politics,800,500,1.6,10
"""
UNIVERSAL = """# ----------------------------------------
# All Web Site Data
# Pages
# 20261119-20261125
# ----------------------------------------

Page,Pageviews,Unique Pageviews,Avg. Time on Page,Entrances,Bounce Rate,% Exit,Page Value
/news/100001/slug,"1,234",476,00:00:45,346,12.14%,4.79%,$0.00
/news/100002/slug,56,1,00:00:05,0,0.00%,0.00%,$0.00
/politics,800,1,00:00:05,0,0.00%,0.00%,$0.00

Day Index,Pageviews
11/19/26,"1,290"
"""
MATOMO = """label,nb_visits,nb_hits,sum_time_spent,avg_time_on_page,bounce_rate,metadata_url
/news/100001/slug,900,1234,300,12,10%,https://iran.example/news/100001/slug
/news/100002/slug,50,56,300,12,10%,https://www.iran.example/news/100002
/politics,500,800,1,1,1%,https://iran.example/politics
Others,7,7,1,1,1%,
"""
MATOMO_NAMES = """Page URL,Unique Pageviews,Pageviews,Bounce Rate,Avg. time on page,Metadata: url
slug,900,1234,10%,00:00:12,https://iran.example/news/100001/slug
slug,50,56,10%,00:00:12,https://iran.example/news/100002/slug
politics,500,800,10%,00:00:12,https://iran.example/politics
"""
PLAUSIBLE = """name,visitors,pageviews,bounce_rate,time_on_page
/news/100001/slug,900,1234,67,
/news/100002/slug,50,56,,60.0
/politics,500,800,,60.0
"""
PLAUSIBLE_DAYS = """date,hostname,page,visits,visitors,pageviews,total_scroll_depth,total_time_on_page
2026-11-23,iran.example,/news/100001/slug,700,650,1000,0,0
2026-11-24,iran.example,/news/100001/slug,200,150,234,0,0
2026-11-24,iran.example,/news/100002/slug,50,50,56,0,0
2026-11-24,iran.example,/politics,50,50,56,0,0
"""
WP_STATISTICS = """page_id,uri,type,date,count,id
1,/news/100001/slug/,post,2026-11-23,1000,41
2,/news/100001/slug/,post,2026-11-24,234,41
3,/news/100002/slug/,post,2026-11-24,56,42
4,/politics/,category,2026-11-24,800,7
"""
JETPACK = """\
"خبری از تهران, با ""گیومه"" در متن",1234,https://iran.example/news/100001/slug
"خبری دیگر",56,https://iran.example/news/100002/slug
"صفحهٔ نخست / بایگانی",800,https://iran.example/
"""
OWN = """نشانی;بازدید
https://iran.example/news/100001/slug;۱٬۲۳۴
iran.example/news/100002;56
https://iran.example/politics;«بسیار»
"""
PLAIN_JSON = json.dumps(
    {
        "results": [
            {"page": "/news/100001/slug", "pageviews": 1234},
            {"page": "/news/100002/slug", "pageviews": 56},
            {"page": "/politics", "pageviews": 800},
        ]
    }
)
MATOMO_JSON = json.dumps(
    [
        {"label": "/a", "nb_hits": 1234, "url": "https://iran.example/news/100001/slug", "goals": {"x": 1}},
        {"label": "/b", "nb_hits": 56, "url": "https://iran.example/news/100002/slug"},
        {"label": "/c", "nb_hits": 9, "url": "https://iran.example/c"},
    ]
)


@only_sqlite
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (GA4, "pages.csv"),
        (GA4.replace("Page path and screen class", "Page location").replace("\n/", "\nhttps://iran.example/"), "p.csv"),
        (UNIVERSAL, "pages.csv"),
        (MATOMO, "matomo.csv"),
        (MATOMO.encode("utf-16"), "matomo.csv"),
        (MATOMO.replace(",", "\t"), "matomo.tsv"),
        (MATOMO_NAMES, "matomo.csv"),
        (MATOMO_JSON, "matomo.json"),
        (PLAUSIBLE, "pages.csv"),
        (PLAUSIBLE_DAYS, "imported_pages.csv"),
        (PLAIN_JSON, "plausible.json"),
        (WP_STATISTICS, "wp-statistics.csv"),
        (JETPACK, "jetpack.csv"),
        (OWN, "own.csv"),
        (OWN.replace(";", "\t").replace("\n", "\r\n").encode("utf-16"), "excel.txt"),
        (gzip.compress(GA4.encode()), "pages.csv.gz"),
    ],
)
def test_exports_of_common_systems(site: App, tmp_path: Path, content: str | bytes, name: str) -> None:
    found = given(site, tmp_path, content, name=name)
    assert stored(site) == {1: 1234, 2: 56, 3: None}
    assert (found.kind, found.matched, found.updated, found.views) == ("export", 2, 2, 1290)
    assert found.unknown + sum(found.passed_over.values()) >= 1
    again = given(site, tmp_path, content, name=name)
    assert (again.matched, again.updated) == (2, 0)


@only_sqlite
def test_tables_of_wordpress_with_numbers_of_posts(app: App, tmp_path: Path) -> None:
    guids = {1: "https://iran.example/?p=41", 2: "42", 3: "https://iran.example/?p=43"}
    collect.keep(
        app, [make.article(n, url=LINK.format(100_000 + n), guid=guid, views=None) for n, guid in guids.items()]
    )
    counter = "id,type,period,count\n41,0,20261123,5\n41,3,2026,9\n41,4,total,12\n42,4,total,7\n99,4,total,7\n"
    found = given(app, tmp_path, counter)
    assert stored(app) == {1: 12, 2: 7, 3: None}
    assert (found.unknown, found.passed_over) == (1, {"count a part of the time that another row counts": 2})
    given(app, tmp_path, "Post ID,Title,Views\n43,خبر,30\n")
    assert stored(app)[3] == 30


@only_sqlite
def test_a_later_export_replaces_and_fewer_views_are_reported(site: App, tmp_path: Path) -> None:
    given(site, tmp_path, "url,views\n/news/100001,500\n/news/100002,70\n")
    found = given(site, tmp_path, "url,views\n/news/100001,900\n/news/100002,30\n/news/100003,\n/news/100003,زیاد\n")
    assert stored(site) == {1: 900, 2: 30, 3: None}
    assert found.passed_over == {"have no count that is understood": 2}
    assert "the views of 1 article are fewer than before" in found.notes[-1]
    assert "1 values of views are not understood, such as 'زیاد' (line 5)" in found.notes[0]


@only_sqlite
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        ("# only a remark\n", "it has no rows"),
        ("title,author\nخبر,نرگس\n", "no column of addresses, or none of views"),
        (
            "url,views\nhttps://other.example/1,5\n",
            "none of its 1 rows is about a stored article; one of them is about 'https://other",
        ),
        ("name,visitors\nIran,5\n", "none of its 1 rows is about a stored article \\(1 have no address\\)"),
        ("[1, 2", "not JSON"),
        ("PK\x03\x04zip", "a ZIP archive or a workbook. Unpack it, or save the table as CSV"),
    ],
)
def test_what_is_no_export_is_refused(site: App, tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UnreadableInput, match=said):
        given(site, tmp_path, content)
    assert set(stored(site).values()) == {None}


@only_sqlite
def test_paths_need_a_site_if_articles_come_from_several(site: App, tmp_path: Path) -> None:
    collect.keep(site, [make.article(9, url="https://other.example/news/100001", guid="", views=None)])
    with pytest.raises(UsageError, match="come from several sites"):
        given(site, tmp_path, GA4)
    assert given(site, tmp_path, GA4, site="https://www.iran.example").matched == 2
    with pytest.raises(UsageError, match="not a web address"):
        given(site, tmp_path, GA4, site="iran")


@only_sqlite
def test_the_numbers_of_rows_are_no_views(site: App, tmp_path: Path) -> None:
    ranked = "#,نشانی,{}\n1,https://iran.example/news/100001,{}\n2,https://iran.example/news/100002,{}\n"
    given(site, tmp_path, ranked.format("بازدید", "۱۲٬۳۴۵", "۱٬۲۳۴"))
    assert stored(site) == {1: 12_345, 2: 1234, 3: None}
    for content in (
        ranked.format("دیده", "۱۲٬۳۴۵", "۱٬۲۳۴"),
        ranked.format("دیده", "5", "3").partition("\n")[2].replace(",5\n", "\n").replace(",3\n", "\n"),
    ):
        with pytest.raises(UnreadableInput, match="no column of addresses, or none of views"):
            given(site, tmp_path, content)
    given(site, tmp_path, '#خبر,"1,300",https://iran.example/news/100001\nخبر,9,https://iran.example/news/100002\n')
    assert stored(site) == {1: 1300, 2: 9, 3: None}
    given(site, tmp_path, "خبر,1,https://iran.example/news/100003\n")
    assert stored(site)[3] == 1


@only_sqlite
def test_points_between_thousands_are_read_only_if_all_counts_fit(site: App, tmp_path: Path) -> None:
    table = "url,views\n/news/100001,{}\n/news/100002,{}\n/news/100003,\n"
    given(site, tmp_path, table.format("۱.۲۳۴", "999"))
    assert stored(site) == {1: 1234, 2: 999, 3: None}
    for counts in (("1.234", "56789"), ("1.234", "1.5"), ("12.000", "7.000")):
        with pytest.raises(UnreadableInput, match=f"line 2: '{counts[0]}' may be a fraction or a number of thousands"):
            given(site, tmp_path, table.format(*counts))
    assert stored(site)[1] == 1234


@only_sqlite
def test_a_quotation_mark_that_is_not_closed_is_refused(site: App, tmp_path: Path) -> None:
    table = 'url,title,views\n/news/100001,"a\nb",12\n/news/100002,"c{},13\n/news/100003,"d",14\n/news/100003,e,1\n'
    with pytest.raises(UnreadableInput, match="line 4: a quotation mark is not closed"):
        given(site, tmp_path, table.format(""))
    given(site, tmp_path, table.format('"'))
    assert stored(site) == {1: 12, 2: 13, 3: 15}


@only_sqlite
def test_of_several_tables_the_first_is_read(site: App, tmp_path: Path) -> None:
    days = "Nth day,Users\n" + "".join(f"{day},5\n" for day in range(800))
    first = "Page,Pageviews\n/news/100001,7\nPage,Pageviews\n/news/100002,3\n"
    second = "Page,Unique Pageviews,Pageviews\n/news/100001,3,9\n"
    found = given(site, tmp_path, f"{days}\n{first}\n{second}")
    assert stored(site) == {1: 7, 2: 3, 3: None}
    assert found.passed_over["are in another table below the first"] == 2


@only_sqlite
def test_all_days_of_a_list_by_days_are_added_up(site: App, tmp_path: Path) -> None:
    days = {f"2026-11-{day}": [{"label": "/a", "url": LINK.format(100_001), "nb_hits": day}] for day in (23, 24)}
    assert given(site, tmp_path, json.dumps(days), name="days.json").views == 47
    other = {"pages": [{"page": "/news/100001", "views": 5}], "sources": [{"page": "/news/100001", "views": 5}]}
    assert given(site, tmp_path, json.dumps(other), name="pages.json").views == 5


@only_sqlite
def test_other_periods_are_added_up(site: App, tmp_path: Path) -> None:
    given(site, tmp_path, "url,views,period\n/news/100001,12,2026-W47\n/news/100001,13,2026-W48\n")
    assert stored(site)[1] == 25


@only_sqlite
def test_numbers_of_posts_belong_to_a_site(app: App, tmp_path: Path) -> None:
    sites = {1: "one", 2: "two", 3: "two"}
    for number, name in sites.items():
        guid = f"https://{name}.example/?p={41 if number < 3 else 43}"
        url = f"https://{name}.example/news/{100_000 + number}"
        collect.keep(app, [make.article(number, url=url, guid=guid, views=None)])
    table = "Post ID,Views\n41,30\n43,5\n"
    with pytest.raises(UsageError, match=r"The numbers of posts do not name their site, .*sites: two"):
        given(app, tmp_path, table)
    assert given(app, tmp_path, table, site="one.example").unknown == 1
    assert stored(app) == {1: 30, 2: None, 3: None}
    given(app, tmp_path, table, site="https://www.two.example")
    assert stored(app) == {1: 30, 2: 30, 3: 5}


@only_sqlite
def test_articles_that_are_identified_by_the_whole_link(app: App, tmp_path: Path) -> None:
    """The number in these links is that of the section."""
    link = "https://iran.example/section/10500/{}"
    found = [make.article(n, url=link.format(name), guid="", views=None) for n, name in enumerate(("nan", "ab"))]
    articles = identity.distinguish("feed", Found(tuple(found))).articles
    collect.keep(app, articles)
    given(app, tmp_path, f"url,views\n{link.format('nan')}?utm_source=x,5\n/section/10500/ab,7\n")
    assert {each.url: each.views for each in collect.newest(app)} == {link.format("nan"): 5, link.format("ab"): 7}


@only_sqlite
def test_a_pipe_is_refused(site: App, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableInput, match="a pipe or a device, which can be read only once"):
        views.give(site, str(tmp_path / "pipe"), views.Known(site), fetcher=Fetcher())
    with pytest.raises(UnreadableInput, match="cannot be read"):
        views.give(site, str(tmp_path), views.Known(site), fetcher=Fetcher())


@only_sqlite
def test_only_visitors_are_better_than_nothing(site: App, tmp_path: Path) -> None:
    found = given(site, tmp_path, "page,visitors\n/news/100001,40\n")
    assert stored(site)[1] == 40
    assert "no column of views, so «visitors» is used" in found.notes[0]


def test_an_address(site: App, tmp_path: Path) -> None:
    with web_server() as server:
        server.pages["/export.csv"] = (200, {}, GA4.encode())
        found = views.give(site, server.url("/export.csv"), views.Known(site), fetcher=Fetcher())
        server.pages["/access.log"] = (200, {}, line(3) + line(3))
        views.give(site, server.url("/access.log"), views.Known(site), fetcher=Fetcher())
        server.pages["/large.csv"] = (200, {}, GA4.encode() + b"/news/100001,5\n" * 400_000)
        with pytest.raises(UnreadableInput, match="larger than 5 MB"):
            views.give(site, server.url("/large.csv"), views.Known(site), fetcher=Fetcher())
    assert found.matched == 2
    assert stored(site) == {1: 1234, 2: 56, 3: 2}


# --- access logs -----------------------------------------------------------------------------------------------------
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"


def line(
    number: int,
    at: str = "24/Nov/2026:08:00:00 +0330",
    *,
    request: str = "GET /news/{} HTTP/2.0",
    status: int = 200,
    agent: str = CHROME,
    before: str = "",
) -> bytes:
    asked = request.format(100_000 + number)
    return f'{before}192.0.2.7 - - [{at}] "{asked}" {status} 5120 "https://www.google.com/" "{agent}"\n'.encode()


@only_sqlite
def test_a_log_is_counted_once(site: App, tmp_path: Path) -> None:
    log = line(1) + line(1) + line(2) + line(77)
    found = given(site, tmp_path, log, name="access.log")
    assert (found.kind, found.rows, found.matched, found.views, found.unknown) == ("log", 4, 2, 3, 1)
    again = given(site, tmp_path, gzip.compress(log), name="access.log.1.gz")
    assert (again.views, again.counted_before) == (0, 4)
    assert "passed over 4 lines" in again.notes[0]
    longer = log + line(1, "24/Nov/2026:08:00:01 +0330") + line(3, "24/Nov/2026:09:00:00 +0330")
    assert given(site, tmp_path, longer, name="access.log").views == 2
    older = given(site, tmp_path, line(2, "23/Nov/2026:09:00:00 +0330"), name="access.log.2")
    assert (older.views, older.counted_before) == (1, 0)
    assert stored(site) == {1: 3, 2: 2, 3: 1}
    beside = given(site, tmp_path, log, name="access.log", server="second")
    assert beside.views == 3
    assert stored(site) == {1: 5, 2: 3, 3: 1}


@only_sqlite
def test_a_log_that_matches_nothing_is_not_recorded(site: App, tmp_path: Path) -> None:
    """So it can be counted after the articles are collected."""
    with pytest.raises(UnreadableInput, match="is about a stored article; one of them is about '/news/100009'"):
        given(site, tmp_path, line(9) * 2, name="access.log")
    collect.keep(site, [make.article(9, url=LINK.format(100_009), guid="", views=None)])
    assert given(site, tmp_path, line(9) * 2, name="access.log").views == 2


@only_sqlite
def test_what_is_no_view_is_passed_over_and_counted(site: App, tmp_path: Path) -> None:
    log = [
        line(1),
        line(1, request="GET /news/{}/slug-%D8%AE%D8%A8%D8%B1?fbclid=abc HTTP/1.1"),
        line(1, request="GET /news/{}/\\xD8\\xAE?from=home HTTP/1.1"),
        line(1, agent=CHROME.replace("Android 14", "Android 10; CUBOT X18")),
        line(1, request="GET https://iran.example/news/{} HTTP/1.1"),
        line(1, before="www.iran.example:443 "),
        line(1, agent='a \\" quote'),
        *(line(1, request=f"{method} /news/{{}} HTTP/1.1") for method in ("HEAD", "POST", "OPTIONS")),
        *(line(1, status=status) for status in (301, 304, 404, 500)),
        line(1, request="GET /news/{}/photo.JPG?w=300 HTTP/1.1"),
        line(1, request="GET /style.css HTTP/1.1"),
        *(
            line(1, agent=agent)
            for agent in (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                "curl/8.5.0",
                "python-requests/2.32",
                "khabarnameh/1 (newsletter; collects this site's own feed)",
                "-",
                "",
            )
        ),
        line(1, request="GET / HTTP/1.1"),
        b'192.0.2.7 - - [24/Nov/2026:08:00:00 +0330] "-" 408 0 "-" "-"\n',
        b"\x16\x03\x01 nonsense\n",
        line(1, "99/Foo/2026:08:00:00 +0330"),
        line(1).rstrip(b"\n"),  # the last line, without its end
    ]
    found = given(site, tmp_path, b"".join(log), name="access.log")
    assert stored(site)[1] == found.views == 8
    assert (found.bots, found.unknown) == (7, 1)
    assert found.passed_over == {
        "are not GET requests": 3,
        "were not answered with 200": 4,
        "are pictures, styles and other files": 2,
        "are not understood": 3,
    }
    assert found.rows == 8 + 7 + 1 + 12


@only_sqlite
def test_a_line_of_another_year_does_not_stand_for_the_time_between(site: App, tmp_path: Path) -> None:
    log = line(1, "01/Jan/2001:08:00:00 +0000") + line(1) + line(1, "01/Jan/2099:08:00:00 +0000") + line(2)
    assert given(site, tmp_path, log, name="access.log").views == 4
    assert given(site, tmp_path, line(3, "01/Nov/2026:08:00:00 +0330"), name="access.log.1").views == 1
    assert given(site, tmp_path, line(3, "30/Nov/2026:08:00:00 +0330"), name="access.log").views == 1
    assert given(site, tmp_path, log, name="access.log").counted_before == 4


@only_sqlite
@pytest.mark.parametrize(
    "log",
    [
        b'"iran.example" 192.0.2.7 "GET /news/100001" 200\n' * 3,
        b'{"ts": 1795970693, "request": {"method": "GET", "uri": "/news/100001"}, "status": 200}\n' * 3,
        b"2026-11-24 08:00:00 GET /news/100001 - 443 - 192.0.2.7 Mozilla/5.0 200 0 0 15\n" * 3,
    ],
)
def test_logs_in_other_formats_are_named(site: App, tmp_path: Path, log: bytes) -> None:
    with pytest.raises(UnreadableInput, match="seems to be an access log, but not in the common or combined format"):
        given(site, tmp_path, log, name="access.log")


def test_lines_in_no_order_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    months = ("Jan", "Mar", "May", "Jul", "Sep", "Nov")
    times = (f"01/{month}/{year}:08:00:00 +0000" for year in range(1995, 2190) for month in months)
    file.write_bytes(b"".join(line(1, at) for at in times))
    with pytest.raises(UnreadableInput, match="not in the order of time"):
        access_log.count(file, len, [])


def test_logs_that_meet_in_one_second(site: App, tmp_path: Path) -> None:
    """When a log is rotated, its last second is often the first of the next log."""
    second = "24/Nov/2026:08:00:00 +0330"
    older = line(1, "24/Nov/2026:07:00:00 +0330") + line(1, second) + line(1, second)
    newer = line(2, second) + line(2, second, request="GET /news/{} HTTP/1.1") + line(3, "24/Nov/2026:09:00:00 +0330")
    for order in ((older, newer), (newer, older)):
        for log, views_of_log in zip(order, (3, 3), strict=True):
            assert given(site, tmp_path, log, name="access.log", recount=log is order[0]).views == views_of_log
        assert stored(site) == {1: 3, 2: 2, 3: 1}
        for log in order:
            assert given(site, tmp_path, log, name="access.log").views == 0
    given(site, tmp_path, older[: older.rindex(b"192")], name="access.log", recount=True)
    assert given(site, tmp_path, older, name="access.log").views == 1, "the log was copied within the second"
    assert given(site, tmp_path, older + line(2, second), name="access.log").views == 1
    assert stored(site) == {1: 3, 2: 1, 3: None}


@only_sqlite
def test_very_many_lines_in_one_second_are_counted_once(site: App, tmp_path: Path) -> None:
    log = b"".join(line(1, request=f"GET /news/{{}}?a={n} HTTP/1.1") for n in range(6000))
    assert given(site, tmp_path, log, name="access.log").views == 6000
    assert given(site, tmp_path, log, name="access.log").counted_before == 6000
    rows = site.store.read(lambda tx: tx.execute(schema.counted_logs.select()).all())
    assert [row.edges for row in rows] == [{}]


def test_logs_can_be_counted_anew(site: App, tmp_path: Path) -> None:
    given(site, tmp_path, "url,views\n/news/100001,500\n")
    log = line(1) + line(2) + line(9)
    given(site, tmp_path, log, name="access.log")
    given(site, tmp_path, log, name="access.log", server="wrong")
    collect.keep(site, [make.article(9, url=LINK.format(100_009), guid="", views=None)])
    with pytest.raises(UnreadableInput, match="none of its 1 lines"):
        given(site, tmp_path, line(77), name="other.log", recount=True)
    assert stored(site) == {1: 500, 2: 2, 3: None, 9: None}, "nothing was forgotten"
    found = given(site, tmp_path, log, name="access.log", recount=True)
    assert found.notes[-1] == "access.log: forgot the views that 2 articles had from logs before."
    assert stored(site) == {1: 500, 2: 1, 3: None, 9: 1}
    assert "--recount" in given(site, tmp_path, log, name="access.log").notes[0]


@only_sqlite
def test_times_that_cannot_be_true_are_not_understood(site: App, tmp_path: Path) -> None:
    log = line(1, "01/Jan/0001:00:00:01 +0330") + line(1, "31/Dec/9999:23:59:59 -0100") + line(1) * 3
    found = given(site, tmp_path, log, name="access.log")
    assert (found.views, found.passed_over) == (3, {"are not understood": 2})


@only_sqlite
def test_the_addresses_of_proxies_are_no_host(site: App, tmp_path: Path) -> None:
    assert given(site, tmp_path, line(1, before="198.51.100.7, "), name="access.log").views == 1
    with pytest.raises(UnreadableInput, match=r"one of them is about 'https://other\.example/news/100001'"):
        given(site, tmp_path, line(1, before="other.example "), name="other.log", server="other")


@only_sqlite
def test_a_log_behind_a_load_balancer(site: App, tmp_path: Path) -> None:
    probe = b'192.0.2.9 - - [24/Nov/2026:07:00:00 +0330] "-" 408 - "-" "-"\n'
    found = given(site, tmp_path, probe * 60 + line(1), name="access.log")
    assert (found.kind, found.views, found.passed_over) == ("log", 1, {"are not understood": 60})


@only_sqlite
def test_the_reasons_are_given_if_a_log_has_no_views(site: App, tmp_path: Path) -> None:
    log = line(1, status=304) * 2 + line(1, agent="Googlebot/2.1")
    with pytest.raises(UnreadableInput, match=r"\(2 were not answered with 200; 1 are requests of bots\)"):
        given(site, tmp_path, log, name="access.log")


@pytest.mark.parametrize(
    ("agents", "is_bot"),
    [
        (
            "Mediapartners-Google|GoogleOther|Google-InspectionTool/1.0|facebookexternalhit/1.1|ia_archiver|GuzzleHttp/7"
            "|Python/3.9 aiohttp/3.8|Scrapy/2.5|node|undici|HTTPie/3.2|HTTrack/3.0|Mozilla/5.0 zgrab/0.x|Nikto"
            "|check_http/v2.3|Zabbix|Nagios|kube-probe/1.2|ELB-HealthChecker/2.0|Java-http-client/17|PostmanRuntime/7"
            "|SkypeUriPreview|masscan/1.3|Security scanner|libwww-perl/6|Slackbot|WhatsApp/2.23",
            True,
        ),
        (
            f"{CHROME}|Mozilla/5.0 (Windows NT 10.0) Firefox/115.0 PerlSense|Mozilla/5.0 (Android 4.2) Scandinavian"
            "|Mozilla/5.0 (Linux; Android 8.1.0) YaBrowser PreviewApp|Mozilla/5.0 (CUBOT NOTE 20) Mobile Safari/537.36"
            "|Mozilla/5.0 (iPhone) GSA/280 Mobile Safari|Opera/9.80 (J2ME/MIDP; Opera Mini/7.1) Presto",
            False,
        ),
    ],
)
def test_bots_are_recognised_by_their_names(agents: str, is_bot: bool) -> None:
    assert [agent for agent in agents.split("|") if access_log._is_bot(agent.encode()) is not is_bot] == []


@only_sqlite
def test_the_common_format_has_no_agents(site: App, tmp_path: Path) -> None:
    log = b'192.0.2.7 - - [24/Nov/2026:08:00:00 +0330] "GET /news/100001 HTTP/1.0" 200 5120\n'
    assert "it has no user agents" in given(site, tmp_path, log, name="access.log").notes[0]


def test_logs_on_both_databases_count_only_without_other_counts(site: App, tmp_path: Path) -> None:
    given(site, tmp_path, "url,views\n/news/100001,500\n")
    found = given(site, tmp_path, line(1) + line(2) * 2, name="access.log")
    assert (found.matched, found.updated) == (2, 1)
    assert "does not change 1 article, whose view counts come from elsewhere" in found.notes[0]
    given(site, tmp_path, line(2, "25/Nov/2026:08:00:00 +0330"), name="access.log")
    assert stored(site) == {1: 500, 2: 3, 3: None}
    given(site, tmp_path, "url,views\n/news/100002,50\n")
    given(site, tmp_path, line(2, "26/Nov/2026:08:00:00 +0330"), name="access.log")
    assert stored(site) == {1: 500, 2: 50, 3: None}


@only_sqlite
def test_a_damaged_log_changes_nothing(site: App, tmp_path: Path) -> None:
    packed = gzip.compress(line(1) * 5000 + b"".join(line(n) for n in range(3000)))
    with pytest.raises(UnreadableInput, match="damaged or incomplete"):
        given(site, tmp_path, packed[: len(packed) // 2], name="access.log.gz")
    assert set(stored(site).values()) == {None}
    with pytest.raises(UnreadableInput, match="no such file"):
        views.give(site, str(tmp_path / "missing.log"), views.Known(site), fetcher=Fetcher())


def test_only_a_bounded_number_of_addresses_is_remembered() -> None:
    asked: list[bytes] = []

    def length(key: bytes) -> int:
        asked.append(key)
        return len(key)

    known = access_log._Remembered(length)
    for number in range(60_000):
        assert known[b"%d" % number] == len(str(number))
    assert known[b"x" * 10_000] == 10_000
    assert len(known) <= 50_000
    assert max(map(len, known)) == 5
    assert known[b"59999"] == 5
    assert len(asked) == 60_001, "a remembered address is not looked up again"


@only_sqlite
def test_given_views_are_recorded_at_once(site: App, clock: Clock, tmp_path: Path) -> None:
    given(site, tmp_path, line(1), name="access.log")
    rows = site.store.read(lambda tx: tx.execute(schema.view_snapshots.select()).all())
    assert [(row.views, row.at) for row in rows] == [(1, clock.now)]
