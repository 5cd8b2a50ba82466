"""`mailer articles …`: bad files above all."""

import gzip
import json
from pathlib import Path

import pytest
from admin import Deployment, articles_file, deployment
from sqlalchemy import select
from web_server import web_server

from mailer.store import schema

RSS = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>نمونه</title><link>https://iran.example/</link>'
    "<item><title>خبر یک</title><link>https://iran.example/news/100001</link>"
    "<pubDate>Mon, 23 Nov 2026 10:00:00 +0330</pubDate></item></channel></rss>"
)
PAGE = "<!doctype html><html><head><title>404</title></head><body>یافت نشد</body></html>"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return deployment(tmp_path_factory.mktemp("articles"))


def write(here: Deployment, content: str | bytes, name: str) -> str:
    path = here.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_import_list_show(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    file = str(articles_file(tmp_path, 4))
    done = here.json("articles", "import", file)
    assert done == {"added": 4, "updated": 0, "unchanged": 0, "failed": [], "notes": []}
    before = here.json("articles", "list")
    assert here.json("articles", "import", file)["unchanged"] == 4
    assert here.json("articles", "list") == before
    assert [each["title"][-1] for each in before] == ["0", "1", "2", "3"], "the newest first"
    shown = here.json("articles", "show", str(before[0]["id"]))
    assert shown["url"] == "https://iran.example/news/100001"
    assert shown["identity"].startswith("link:")
    text = here.call("articles", "show", str(before[0]["id"])).out
    assert shown["title"] in text
    assert len(here.json("articles", "list", "--limit", "1")) == 1
    assert here.json("articles", "list", "--until", "2020-01-01") == []
    assert here.call("articles", "list", "--since", "نه").code == 2
    missing = here.call("articles", "show", "99", "--json")
    assert (missing.code, missing.error["code"]) == (3, "no_such_article")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.xml", b"", "empty"),
        ("blank.xml", b" \n\r\n", "empty"),
        ("page.xml", PAGE.encode(), "no article is recognised in this HTML page"),
        ("cut.xml", RSS[:150].encode(), "broken XML"),
        ("words.xml", "این خوراک نیست".encode(), "not XML"),
        ("broken.jsonl", b'{"title": "x"', "JSON"),
        ("archive.zip", b"PK\x03\x04" + b"\0" * 50, "ZIP"),
        ("cut.jsonl.gz", gzip.compress(b'{"title": "x"}' * 50, mtime=0)[:30], "gzip"),
        ("binary.txt", b"\x00\x01\x02" * 50, "not text"),
    ],
)
def test_a_bad_file(here: Deployment, name: str, content: bytes, said: str) -> None:
    before = here.json("articles", "list")
    file = write(here, content, name)
    answer = here.call("articles", "import", file)
    assert answer.code == 3, answer
    assert said in answer.err
    assert name in answer.err
    assert answer.err.count("\n") == 1, "said once"
    document = here.call("articles", "import", file, "--json")
    assert (document.code, document.error["code"]) == (3, "unreadable_input")
    assert here.json("articles", "list") == before


def test_a_bad_file_does_not_stop_the_good_ones(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    good, bad = write(here, RSS, "good.xml"), write(here, PAGE, "bad.xml")
    answer = here.call("articles", "import", bad, good, str(tmp_path / "none.xml"), "--json")
    assert answer.code == 5
    assert answer.json["added"] == 1
    assert [sentence.split(":")[0] for sentence in answer.json["failed"]] == ["bad.xml", str(tmp_path / "none.xml")]
    assert answer.err.count("bad.xml") == 1
    all_bad = here.call("articles", "import", bad, str(tmp_path / "none.xml"))
    assert all_bad.code == 3
    assert all_bad.err.rstrip().endswith("None of the 2 could be read.")


def test_a_truncated_feed_gives_its_complete_items(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    answer = here.call("articles", "import", write(here, RSS[:-40], "cut.xml"), "--json")
    assert answer.code in (0, 3)
    if answer.code == 0:
        assert answer.json["added"] == 1
        assert answer.json["notes"]
        assert answer.err.count("cut.xml: cut.xml") == 0


def test_a_feed_without_items_is_quiet(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    head, _, rest = RSS.partition("<item>")
    answer = here.call("articles", "import", write(here, head + rest.partition("</item>")[2], "quiet.xml"), "--json")
    assert (answer.code, answer.json["added"]) == (0, 0)


def test_the_text_of_a_page_with_its_address(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    text = "سیاسی / مجلس\n\nگشایش کتابخانهٔ تازه در شیراز\n\n" + "این کتابخانه پس از سه سال ساخت گشوده شد. " * 8
    file = write(here, text, "page.txt")
    day = "2026-11-23T10:00"
    done = here.json("articles", "import", file, "--url", "https://iran.example/news/200001", "--published", day)
    assert done["added"] == 1
    (article,) = here.json("articles", "list")
    assert article["url"] == "https://iran.example/news/200001"
    assert article["dated"] == "2026-11-23T06:30:00Z"
    for wrong in (("--url", "ftp://x"), ("--published", "gestern")):
        assert here.call("articles", "import", file, *wrong).code == 2


def test_addresses_are_fetched(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    page = (
        '<!doctype html><title>گشایش پل تازهٔ شهر</title><link rel="canonical" href="/news/7"><h1>گشایش پل تازهٔ شهر</h1>'
        "<p>پل تازهٔ شهر پس از سه سال ساخت، دیروز با حضور شهروندان گشوده شد.</p>"
    )
    with web_server() as server:
        server.pages["/news/7?ref=x"] = (200, {"content-type": "text/html"}, page.encode())
        server.pages["/rss"] = (200, {}, RSS.encode())
        server.pages["/start"] = (200, {}, PAGE.encode())
        answer = here.call(
            "articles", "import", *map(server.url, ("/news/7?ref=x", "/rss", "/start", "/gone")), "--json"
        )
        assert (answer.code, answer.json["added"]) == (5, 2)
        assert [each.split(": ", 1)[1] for each in answer.json["failed"]] == [
            "no article is recognised in this HTML page.",
            "the server answered 404.",
        ]
        found = {article["title"]: article["url"] for article in here.json("articles", "list")}
        assert found == {"گشایش پل تازهٔ شهر": server.url("/news/7"), "خبر یک": "https://iran.example/news/100001"}
        assert here.json("articles", "import", server.url("/news/7?ref=x"))["unchanged"] == 1
        alone = here.call("articles", "import", server.url("/gone"), "--json")
        assert (alone.code, alone.error["code"]) == (4, "fetch_failed")
        both = here.call("articles", "import", server.url("/gone"), server.url("/away"))
        assert (both.code, both.err.splitlines()[-1]) == (4, "mailer: None of the 2 could be read.")


# --- sources that are asked ------------------------------------------------------------------------------------------
def with_feeds(folder: Path, *addresses: str) -> Deployment:
    here = deployment(folder)
    config = folder / "config.toml"
    feeds = "".join(f'[[articles.feeds]]\nurl = "{address}"\n' for address in addresses)
    config.write_text(config.read_text("utf-8") + feeds, "utf-8")
    return here


def test_collecting_reports_the_outcome_of_each_source(tmp_path: Path) -> None:
    with web_server() as server:
        server.pages["/rss"] = (200, {}, RSS.encode())
        good, bad = server.url("/rss"), server.url("/gone")
        here = with_feeds(tmp_path / "both", good, bad)
        answer = here.call("articles", "collect", "--json")
        assert answer.code == 5
        shape = {"source", "added", "updated", "unchanged", "problem", "notes"}
        assert [set(each) for each in answer.json] == [shape, shape]
        assert [(each["source"], each["added"]) for each in answer.json] == [(good, 1), (bad, 0)]
        assert answer.json[1]["problem"] == f"{bad}: the server answered 404."
        again = here.call("articles", "collect")
        assert again.out.splitlines() == [
            f"{good}: 0 added, 0 updated, 1 unchanged",
            f"{bad}: {bad}: the server answered 404.",
        ]
        assert with_feeds(tmp_path / "bad", bad).call("articles", "collect").code == 4
        assert with_feeds(tmp_path / "good", good).call("articles", "collect").code == 0
        server.pages["/rss"] = (304, {}, b"")
        assert here.call("articles", "collect").out.startswith(f"{good}: not changed since the last time\n")
    none = deployment(tmp_path / "none").call("articles", "collect")
    assert (none.code, none.out) == (
        0,
        "No sources are configured: see [[articles.feeds]] and [articles.database].\n",
    )


def test_marks_of_an_editor(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("articles", "import", str(articles_file(tmp_path, 3)))
    numbers = [str(article["id"]) for article in here.json("articles", "list")]
    (first,) = here.json("articles", "pin", numbers[0])
    assert (set(first), first["pinned"], first["banned"]) == ({"id", "title", "pinned", "banned"}, True, False)
    banned = here.json("articles", "ban", *numbers[:2])
    assert [(each["pinned"], each["banned"]) for each in banned] == [(False, True)] * 2, "a ban takes the pin away"
    listed = {str(each["id"]): each["banned"] for each in here.json("articles", "list")}
    assert listed == {numbers[0]: True, numbers[1]: True, numbers[2]: False}
    assert here.json("articles", "show", numbers[0])["banned"]
    assert here.call("articles", "unban", numbers[1]).out.endswith(": no longer banned\n")
    assert here.json("articles", "unpin", numbers[2])[0]["pinned"] is False
    for verb in ("pin", "ban", "unpin", "unban"):
        wrong = here.call("articles", verb, numbers[2], "4711", "--json")
        assert (wrong.code, wrong.error["code"]) == (3, "no_such_article")
        assert wrong.error["message"] == "There is no article 4711."
        assert here.call("articles", verb, "x").code == here.call("articles", verb).code == 2
    assert not here.json("articles", "show", numbers[2])["pinned"], "all of them or none"


TITLES = ("=?utf-8?b?eAp5?= خبر", "یک\r\nBcc: evil@example.org", "دو \u202e سه", "\x1b[31mچهار", "{{ 7*7 }}{% x %}")


@pytest.mark.parametrize("title", TITLES)
def test_a_title_cannot_do_anything(tmp_path: Path, title: str) -> None:
    here = deployment(tmp_path)
    line = json.dumps({"title": title, "url": "https://iran.example/news/300001"})
    here.json("articles", "import", write(here, line, "one.jsonl"))
    (article,) = here.json("articles", "list")
    assert set(article["title"]) & set("\r\n\x1b\u202e") == set()
    for words in (("list",), ("show", str(article["id"]))):
        assert set(here.call("articles", *words).out) & set("\r\x1b\u202e") == set()


def test_sources_show_the_last_collection_of_each(tmp_path: Path) -> None:
    with web_server() as server:
        server.pages["/rss"] = (200, {}, b"<rss><channel><item><title>a</title><link>x:1</link></item></channel></rss>")
        good, missing = server.url("/rss"), server.url("/missing")
        here = deployment(tmp_path)
        assert here.call("articles", "sources").out.startswith("No sources are configured")
        with (tmp_path / "config.toml").open("a", encoding="utf-8") as config:
            config.write("".join(f'[[articles.feeds]]\nurl = "{url}"\n' for url in (good, missing)))
        assert here.call("articles", "sources").out.splitlines() == [
            f"{good}: not collected yet",
            f"{missing}: not collected yet",
        ]
        notes = here.call("articles", "collect", "--json").json[0]["notes"]
        assert len(notes) == 2
        lines = here.call("articles", "sources").out.splitlines()
        assert lines[0].startswith(f"{good}: last collected 2")
        assert lines[1:3] == [f"    {note}" for note in notes]
        assert lines[3] == f"{missing}: not collected yet"
        assert lines[4].startswith("    failures in a row since then: 1. ")
        assert [each["notes"] for each in here.json("articles", "sources")] == [notes, []]


def test_sections_lists_what_is_not_mapped_first(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    file = articles_file(tmp_path, 7)
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for line, category in zip(lines, ("siasi", "siasi", "حوادث", "", "حوادث", "حوادث", "varzesh"), strict=True):
        line["category"] = category
    file.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    here.json("articles", "import", str(file))
    found = here.json("articles", "sections")
    assert [(each["category"], each["articles"], each["section"], each["mapped"]) for each in found] == [
        ("حوادث", 3, "دیگر خبرها", False),
        ("", 1, "دیگر خبرها", False),
        ("siasi", 2, "سیاست", True),
        ("varzesh", 1, "ورزش", True),
    ]
    said = here.call("articles", "sections").out
    assert "not mapped" in said.splitlines()[1]
    assert said.endswith('2 are not mapped. Add them to [newsletter.sections] as "category" = "section".\n')
    assert here.json("articles", "sections", "--since", "2100-01-01") == []


# --- the same story, or different stories ----------------------------------------------------------------------------
def test_decisions_about_pairs_are_stored_listed_and_taken_back(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("articles", "import", str(articles_file(tmp_path, 3)))
    a, b, c = sorted(str(article["id"]) for article in here.json("articles", "list"))
    assert here.json("articles", "pairs") == []
    assert here.call("articles", "pairs").out == "There are no decisions about pairs of articles.\n"
    done = here.json("articles", "same", b, a)
    assert set(done) == {"same", "articles", "at", "counts", "contradicted"}
    assert (done["same"], [str(each["id"]) for each in done["articles"]], done["counts"]) == (True, [a, b], True)
    answer = here.call("articles", "same", b, c)
    assert answer.out.endswith(": the same story\n")
    assert answer.err == ("This counts from the next choice on: within the hour, or now with `mailer issue draft`.\n")
    contradicting = here.call("articles", "different", c, a)
    assert contradicting.err.startswith(f"The new decision contradicts this one, which no longer counts: {a} «")
    listed = here.json("articles", "pairs")
    assert [(each["same"], each["counts"]) for each in listed] == [(False, True), (True, True), (True, False)]
    lines = here.call("articles", "pairs").out.splitlines()
    assert ["newer decisions contradict it" in line for line in lines] == [False, False, True]
    assert here.json("articles", "same", a, b)["contradicted"] == [listed[1] | {"counts": False}]
    assert here.json("articles", "pairs", "--forget", c, a) == {"forgotten": sorted([int(a), int(c)])}
    assert [each["counts"] for each in here.json("articles", "pairs")] == [True, True]


def test_a_pair_that_cannot_be_decided(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("articles", "import", str(articles_file(tmp_path, 2)))
    a, b = (str(article["id"]) for article in here.json("articles", "list"))
    for verb in ("same", "different"):
        wrong = here.call("articles", verb, a, "4711", "--json")
        assert (wrong.code, wrong.error["code"], wrong.error["message"]) == (
            3,
            "no_such_article",
            "There is no article 4711.",
        )
        twice = here.call("articles", verb, a, a)
        assert (twice.code, twice.err) == (
            2,
            f"mailer: Article {a} is given twice. Give the numbers of two different articles.\n",
        )
        assert here.call("articles", verb, a).code == here.call("articles", verb, a, "x").code == 2
    nothing = here.call("articles", "pairs", "--forget", a, b, "--json")
    assert (nothing.code, nothing.error["code"]) == (3, "no_such_pair")
    assert here.json("articles", "pairs") == []


def test_the_draft_follows_the_decisions(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("articles", "import", str(articles_file(tmp_path, 8)))
    ids = {each["url"]: str(each["id"]) for each in here.json("articles", "list")}

    def stories() -> list[set[str]]:
        found = here.json("issue", "draft")["stories"]
        return [{ids[story["url"]], *(ids[each["url"]] for each in story["also"])} for story in found]

    before = stories()
    one, other = min(before[0]), min(before[1])
    here.json("articles", "same", one, other)
    joined = next(story for story in stories() if one in story)
    assert other in joined
    here.json("articles", "different", one, other)
    assert not any({one, other} <= story for story in stories())
    here.json("articles", "pairs", "--forget", one, other)
    assert stories() == before


def test_the_growth_of_views_is_learnt_from_all_logs_together(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    item = {"title": "خبر تازه از تهران", "url": "https://iran.example/news/100001"}
    here.json("articles", "import", write(here, json.dumps(item), "one.jsonl"))
    line = '192.0.2.7 - - [24/Nov/2026:{}:00:00 +0330] "GET /news/100001 HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
    logs = [write(here, line.format(hour) * 2, f"access.{hour}.log") for hour in ("08", "09")]
    here.json("articles", "views", *logs)
    with here.app() as app:
        recorded = app.store.read(lambda tx: tx.execute(select(schema.view_snapshots.c.views)).scalars().all())
    assert recorded == [4]


def test_views_of_an_export_and_of_a_log(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    items = [{"title": f"خبر {n} از تهران", "url": f"https://iran.example/news/10000{n}"} for n in (1, 2)]
    here.json("articles", "import", write(here, "\n".join(map(json.dumps, items)), "two.jsonl"))
    export = write(here, "url,views\nhttps://iran.example/news/100001,120\nhttps://iran.example/about,5\n", "pages.csv")
    given = here.json("articles", "views", export)
    assert given["failed"] == []
    assert {name: given["files"][0][name] for name in ("kind", "rows", "matched", "updated", "views", "unknown")} == {
        **{"kind": "export", "rows": 2, "matched": 1, "updated": 1, "views": 120, "unknown": 1}
    }
    line = '192.0.2.7 - - [24/Nov/2026:08:00:00 +0330] "GET /news/100002 HTTP/1.1" 200 5 "-" "{}"\n'
    log = write(here, line.format("Mozilla/5.0 (X11)") * 2 + line.format("Googlebot/2.1"), "access.log")
    said = here.call("articles", "views", log)
    assert said.code == 0
    assert "3 lines; 2 views of 1 article; updated: 1." in said.out
    assert "requests of bots: 1" in said.out
    both = here.call("articles", "views", log, write(here, "title\nخبر\n", "none.csv"))
    assert both.code == 5
    assert "lines that were counted before: 3" in both.out
    again = here.call("articles", "views", "--recount", log, write(here, line.format("Mozilla") * 3, "second.log"))
    assert "3 lines; 2 views of 1 article" in again.out
    assert "forgot the views that 1 article had from logs before" in again.err
    assert {each["url"][-1]: each["views"] for each in here.json("articles", "list")} == {"1": 120, "2": 5}
    other = {"title": "خبری از جای دیگر", "url": "https://other.example/news/100009"}
    here.json("articles", "import", write(here, json.dumps(other), "other.jsonl"))
    later = here.call("articles", "views", export, write(here, "page,views\n/news/100001,5\n", "paths.csv"))
    assert later.code == 5
    assert "2 rows; 120 views of 1 article" in later.out
    assert "come from several sites" in later.err
    refused = here.call("articles", "views", str(here.folder / "none.csv"), "--json")
    assert (refused.code, refused.error["code"]) == (3, "unreadable_input")
    stored = {each["url"][-1]: each["views"] for each in here.json("articles", "list")}
    assert (stored["1"], stored["2"]) == (120, 5)
