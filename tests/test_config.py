"""Reading the configuration: every mistake at once and in its place, secrets nowhere."""

import json
import os
import re
import time
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer import config
from mailer.config.environ import lay_over
from mailer.config.fields import MASK, is_text, leaves, quoted, spelled, toml
from mailer.config.lines import lines_of
from mailer.config.problems import dotted, judged
from mailer.errors import ConfigError
from mailer.settings import Settings, Smtp
from mailer.tokens import new_key_file

Load = Callable[..., Settings]

SECRET = "سخن‌پنهان-s3cret"

SEVEN_MISTAKES = """\
# a file as people write it
[smtp_relay]
host = "mail.example.org"

[[smtp]]
host = "127.0.0.1"
port = "twentyfive"
tls = "startls"

[schedule]
weekday = "thursday"
day = "wenesday"
time = "25:00"

[digest]
stories = -3
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the text as config.toml and loads it."""

    def write_and_load(text: str | bytes, environ: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "config.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return config.load(path, environ or {})

    return write_and_load


def problems_of(load: Load, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    """The lines of the error, with the temporary folder taken off."""
    with pytest.raises(ConfigError) as caught:
        load(text, environ)
    return [re.sub(r"^.*/(?=config\.toml:)", "", problem) for problem in caught.value.problems]


# --- the file -----------------------------------------------------------------------------------------------------
def test_seven_mistakes_are_seven_lines(load: Load) -> None:
    assert problems_of(load, SEVEN_MISTAKES) == [
        "config.toml:2: smtp_relay: there is no such section; the sections are "
        "newsletter, theme, schedule, articles, digest, editors, delivery, dkim, smtp, web, readers, database, keys, "
        "log",
        'config.toml:7: smtp.0.port: "twentyfive" should be a whole number',
        'config.toml:8: smtp.0.tls: "startls" is not one of none, starttls, implicit (did you mean "starttls"?)',
        'config.toml:11: schedule.weekday: there is no such setting (did you mean "day"?)',
        'config.toml:12: schedule.day: "wenesday" is not one of monday, tuesday, wednesday, thursday, friday, '
        'saturday, sunday (did you mean "wednesday"?)',
        'config.toml:13: schedule.time: "25:00" should be a time of day such as "09:00"',
        "config.toml:16: digest.stories: -3 should be at least 1",
    ]


def test_two_feeds_with_one_address_are_refused(load: Load) -> None:
    feed = '[[articles.feeds]]\nurl = "https://n.example/rss?key=secret"\nkind = "{}"\n'
    assert problems_of(load, feed.format("sitemap") * 2 + feed.format("front")) == [
        'config.toml:1: articles: 2 feeds have kind = "sitemap" and the url https://n.example/rss; keep one of them'
    ]


def test_the_wrong_number_of_brackets_hides_nothing(load: Load) -> None:
    assert problems_of(
        load,
        '[smtp]\nhost = "127.0.0.1"\ntls = "startls"\nprt = 25\n[[web]]\nport = 0\n'
        '[articles.feeds]\nurl = "x y"\n[[schedule]]\n',
    ) == [
        "config.toml:1: smtp: should have two brackets on each side: [[smtp]]",
        'config.toml:3: smtp.tls: "startls" is not one of none, starttls, implicit (did you mean "starttls"?)',
        'config.toml:4: smtp.prt: there is no such setting (did you mean "port"?)',
        "config.toml:5: web: should be a section: [web] and its settings below",
        "config.toml:6: web.0.port: 0 should be at least 1",
        "config.toml:7: articles.feeds: should have two brackets on each side: [[articles.feeds]]",
        'config.toml:8: articles.feeds.url: "x y" should be an address such as https://news.example.org/rss',
        "config.toml:9: schedule: should be a section: [schedule] and its settings below",
    ]


def test_problems_of_every_kind_come_to_light_in_one_run(load: Load) -> None:
    text = '[newsletter]\nfrom = "n@x..y.example"\nnam = 1\n[[smtp]]\nusername = "u"\n[web]\nport = 0\n'
    places = [line.split(": ")[1] for line in problems_of(load, text, {"MAILER_TEMPLATES": "nodir"})]
    assert places == ["newsletter.from", "newsletter.nam", "smtp.0", "web.port", "templates"]


def test_a_jalali_date_that_toml_refuses(load: Load) -> None:
    (reported,) = problems_of(load, "[schedule]\nholidays = [1406-02-31]\n")
    assert reported.endswith("; write Gregorian dates, such as 2027-03-21")


def test_an_unknown_name_hides_no_problem_between_settings(load: Load) -> None:
    assert problems_of(load, "[digest]\nstory = 1\nstories = 3\n") == [
        "config.toml:1: digest: min_stories is larger than stories",
        'config.toml:2: digest.story: there is no such setting (did you mean "stories"?)',
    ]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("1406-01-01", "1406-01-01 should be a Gregorian date; this Jalali day is 2027-03-21"),
        ('"1405-12-29"', '"1405-12-29" should be a Gregorian date; this Jalali day is 2027-03-20'),
        ('"1406-02-31"', '"1406-02-31" should be a Gregorian date; this Jalali day is 2027-05-21'),
        ('"1406-08-31"', '"1406-08-31" should be a date such as 2027-03-21'),
    ],
)
def test_a_jalali_date_is_answered_with_the_gregorian_one(load: Load, day: str, words: str) -> None:
    (reported,) = problems_of(load, f"[schedule]\nholidays = [{day}]\n")
    assert reported == f"config.toml:2: schedule.holidays.0: {words}"


def test_a_text_that_is_too_long_is_called_that(load: Load) -> None:
    (reported,) = problems_of(load, f'[newsletter]\nbase_url = "https://x.example/{"a" * 2000}"\n')
    assert reported == "config.toml:2: newsletter.base_url: should have at most 2000 characters, but has 2018"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[newsleter]\n", 'config.toml:1: newsleter: there is no such section (did you mean "newsletter"?)'),
        ('tempaltes = "x"', 'config.toml:1: tempaltes: there is no such setting (did you mean "templates"?)'),
        ('[web]\nbase_url = "x"',
         "config.toml:2: web.base_url: there is no such setting here; it belongs to [newsletter]"),
        ("[web]\nport = true", "config.toml:2: web.port: true should be a whole number"),
        ("[web]\nport = 0", "config.toml:2: web.port: 0 should be at least 1"),
        ("[web]\nhost = 5", "config.toml:2: web.host: 5 should be text, in quotation marks"),
        ('[web]\nhost = "' + "x" * 301 + '"', "config.toml:2: web.host: should have at most 300 characters"),
        ('[web]\nhost = ""', 'config.toml:2: web.host: "" should have at least 1 character'),
        ('[web]\nhost = "a\\u0000b"',
         'config.toml:2: web.host: "a\\U00000000b" should be one line without control characters'),
        ('web = "x"', 'config.toml:1: web: should be a section: [web] and its settings below'),
        ("smtp = []", "config.toml:1: smtp: at least one is needed: write [[smtp]]"),
        ("smtp = [5]", "config.toml:1: smtp.0: should be a section: [[smtp]] and its settings below"),
        ("[smtp]\nport = 25", "config.toml:1: smtp: should have two brackets on each side: [[smtp]]"),
        ("[digest]\nmax_source = 0", "config.toml:2: digest.max_source: 0 should be greater than 0"),
        ("[digest]\nmax_source = 1.5", "config.toml:2: digest.max_source: 1.5 should be at most 1"),
        ("[digest]\nstories = 3\n", "config.toml:1: digest: min_stories is larger than stories"),
        ('[schedule]\nmax_late = "10s"', 'config.toml:2: schedule.max_late: "10s" should be at least 1 minute'),
        ('[schedule]\nholidays = [\n  "norooz",\n]',
         'config.toml:2: schedule.holidays.0: "norooz" should be a date such as 2027-03-21'),
        ('[newsletter]\nsections = "x"',
         'config.toml:2: newsletter.sections: "x" should be a table: [newsletter.sections] with'),
        ('[newsletter.sections]\n"الف ب" = 5',
         'config.toml:2: newsletter.sections."الف ب": 5 should be text, in quotation marks'),
        ('folder = "/tmp"', "config.toml:1: folder: there is no such setting"),
        ('[newsletter]\nfrom_ = "a@example.org"',
         'config.toml:2: newsletter.from_: there is no such setting (did you mean "from"?)'),
        ('[newsletter]\nlocale = "de"', 'config.toml:2: newsletter.locale: "de" is not one of fa'),
        ('[[smtp]]\nusername = "me"',
         "config.toml:1: smtp.0: a username is given but neither password_file nor password"),
        ("[web]\nport = 1\nport = 2",
         "config.toml:3: not TOML: Cannot overwrite a value; the same name is there twice"),
        ("[web]\n[log]\n[web]", "config.toml:3: not TOML: Cannot declare ('web',) twice; the same name is there twice"),
        ("[web]\nport = ", "config.toml:2: not TOML: Invalid value"),
        ("[web", "config.toml:1: not TOML: Expected ']'"),
        ("n = " + "9" * 5000, "config.toml: not TOML: Exceeds the limit"),
        ("n = " + "[" * 100_000, "config.toml: not TOML: "),
    ],
)  # fmt: skip
def test_one_mistake(load: Load, text: str, problem: str) -> None:
    (reported,) = problems_of(load, text)
    assert reported.startswith(problem)


def test_problems_of_several_relays_are_told_apart(load: Load) -> None:
    text = '[[smtp]]\nhost = "::1"\n\n[[smtp]]\nhost = "::1"\nprot = 25\n[[smtp]]\ntls = "tls"\n'
    assert problems_of(load, text) == [
        'config.toml:6: smtp.1.prot: there is no such setting (did you mean "port"?)',
        'config.toml:8: smtp.2.tls: "tls" is not one of none, starttls, implicit',
    ]


def test_windows_files(load: Load) -> None:
    text = '[newsletter]\nname = "روزنامهٔ ما"\n\n[web]\nport = 8081\n'
    loaded = load("\ufeff".encode() + text.replace("\n", "\r\n").encode())
    assert (loaded.newsletter.name, loaded.web.port) == ("روزنامهٔ ما", 8081)
    (reported,) = problems_of(load, b"\xef\xbb\xbf" + text.replace("8081", "0").replace("\n", "\r\n").encode())
    assert reported == "config.toml:5: web.port: 0 should be at least 1"


def test_not_utf8(load: Load) -> None:
    assert problems_of(load, '[newsletter]\nname = "خبر"\n'.encode("cp1256")) == [
        "config.toml:2: is not UTF-8; save the file as UTF-8"
    ]
    assert problems_of(load, "[web]".encode("utf-16")) == ["config.toml:1: is not UTF-8; save the file as UTF-8"]


def test_a_missing_file_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "config.toml", {})
    assert str(caught.value) == f"There is no config.toml in {tmp_path}. Run `mailer init`, or give --config FILE."
    assert caught.value.fix == "Run `mailer init`, or give --config FILE."


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"--config {tmp_path}/config.toml")):
        config.load(tmp_path, {})


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(path)  # works for root as well, whom permissions do not stop
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read: "):
        config.load(path, {})


def test_an_empty_file_is_the_defaults_and_knows_its_folder(load: Load, tmp_path: Path) -> None:
    assert load("") == Settings(folder=tmp_path)
    assert load("").folder.is_absolute()


def test_the_folder_is_absolute_when_the_file_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert config.load(Path("config.toml"), {}).folder == tmp_path


# --- what could not be used -----------------------------------------------------------------------------------------
def test_domains_are_put_into_ascii(load: Load) -> None:
    newsletter = load(
        '[newsletter]\nfrom = "خبر <news@ایران.ir>"\nreply_to = "editors@ایران.ir"\n'
        'base_url = "https://خبر.ایران.ir:8443"'
    ).newsletter
    assert newsletter.from_ == "خبر <news@xn--mgba3a4f16a.ir>"
    assert newsletter.reply_to == "editors@xn--mgba3a4f16a.ir"
    assert newsletter.base_url == "https://xn--ngblk.xn--mgba3a4f16a.ir:8443"


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("from", "خبر@example.org", "only Latin letters before the @"),
        ("from", "x@a_b.example", "is not a domain"),
        ("from", "a..b@example.org", "two periods"),
        ("reply_to", "خبر@example.org", "only Latin letters before the @"),
        ("reply_to", "x@a_b.example", "is not a domain"),
        ("base_url", "https://a.example/x,y", "should not contain ,"),
        ("base_url", "https://a.example/x\\u0022y", 'should not contain "'),
        ("base_url", "https://a.example/x'y", "should not contain '"),
        ("base_url", "https://a.example/" + "x" * 200, "at most 200 characters"),
        ("base_url", "https://a.example/" + "خ" * 100, "at most 200 characters"),
        ("base_url", "https://a..example", "a valid host name"),
        ("base_url", "https://a.example/newsletter", "without a path: the pages are at its root"),
        ("base_url", "https://a.example:99999", "a port of at most 65535"),
    ],
)
def test_addresses_that_no_mail_can_hold(load: Load, setting: str, value: str, words: str) -> None:
    (reported,) = problems_of(load, f'[newsletter]\n{setting} = "{value}"')
    assert reported.startswith(f"config.toml:2: newsletter.{setting}: ")
    assert words in reported


def test_everything_unusable_is_reported_together(load: Load) -> None:
    text = 'templates = "nodir"\n[newsletter]\nfrom = "a..b@example.org"\n[[smtp]]\nusername = "u"\n'
    reported = problems_of(load, text, {"MAILER_NEWSLETTER__BASE_URL": "https://a.example/x,y"})
    assert [line.split(": ")[0] for line in reported] == [
        "config.toml:1",
        "config.toml:3",
        "config.toml:4",
        "MAILER_NEWSLETTER__BASE_URL",
    ]


def test_a_templates_folder_that_is_not_there(load: Load, tmp_path: Path) -> None:
    (reported,) = problems_of(load, "", {"MAILER_TEMPLATES": "nodir"})
    assert reported.startswith('MAILER_TEMPLATES: templates: "nodir": there is no such folder')
    (tmp_path / "nodir").mkdir()
    assert load("", {"MAILER_TEMPLATES": "nodir"}).templates == Path("nodir")


@pytest.mark.parametrize("rest", ["@h:port/x", "@ss@h/x", "@h:0/x", "@h:70000/x", "@h/x?password=a@b", "@h:/x"])
def test_a_database_server_that_is_misspelled(load: Load, rest: str) -> None:
    (reported,) = problems_of(load, f'[database]\nurl = "postgresql://u:{SECRET}{rest}"')
    assert reported.startswith("config.toml:2: database.url: should be postgresql://USER:PASSWORD@HOST:PORT/NAME")
    assert SECRET not in reported
    assert "ss@h" not in reported


@pytest.mark.parametrize(
    ("section", "scheme", "right"),
    [
        ("database", "postgres", "postgresql+psycopg"),
        ("database", "postgresql+psycopg2", "postgresql+psycopg"),
        ("articles.database", "mysql", "mysql+pymysql"),
        ("articles.database", "mysql+mysqldb", "mysql+pymysql"),
        ("articles.database", "mariadb", "mariadb+pymysql"),
        ("articles.database", "pgsql", "postgresql+psycopg"),
        ("articles.database", "Postgres", "postgresql+psycopg"),
    ],
)
def test_the_url_of_another_driver_is_answered_with_the_right_one(
    load: Load, section: str, scheme: str, right: str
) -> None:
    (reported,) = problems_of(load, f'[{section}]\nurl = "{scheme}://u:{SECRET}@h/d"')
    wanted = f"should begin with {right}://, not with {scheme}://: {right}://USER:PASSWORD@HOST/NAME"
    assert reported == f"config.toml:2: {section}.url: {wanted}"


@pytest.mark.parametrize("section", ["database", "articles.database"])
def test_a_password_that_must_be_quoted_is_explained_and_not_shown(load: Load, section: str) -> None:
    (reported,) = problems_of(load, f'[{section}]\nurl = "postgresql://u:v@nN:x/qQ@h/d"')
    assert "@ is written %40, : is %3A, / is %2F" in reported
    assert "p@ss:w/rd becomes p%40ss%3Aw%2Frd" in reported
    assert "nN" not in reported
    assert "qQ" not in reported


@pytest.mark.parametrize(
    "url", ["mysql+pymysql://u:p%40ss%3Aw%2Frd@h/d?charset=utf8mb4", "postgresql://u@h/d", "mssql+pymssql://u@h/d"]
)
def test_the_database_of_the_newsroom(load: Load, url: str) -> None:
    found = load(f'[articles.database]\nurl = "{url}"').articles.database.url
    assert found
    assert found.get_secret_value() == url


@pytest.mark.parametrize("url", ["sqlite:///x.db?timeout=abc", "postgresql://u@h/d?connect_timeout=5s", "oracle://h/d"])
def test_a_database_that_could_not_be_opened(load: Load, url: str) -> None:
    (reported,) = problems_of(load, f'[database]\nurl = "{url}"')
    assert reported.startswith("config.toml:2: database.url: ")


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:p%40:/?#@h:5432/x", "postgresql:///x?host=/run/pg", "postgresql://u@[::1]:5/x"]
)
def test_a_database_server(load: Load, url: str) -> None:
    assert load(f'[database]\nurl = "{url}"').database.url == url


# --- the environment ------------------------------------------------------------------------------------------------
def test_variables_win_over_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "my templates").mkdir()
    loaded = load(
        '[web]\nport = 1\nhost = "::1"\n[[smtp]]\nhost = "127.0.0.2"\nport = 2525\n',
        {
            "MAILER_WEB__PORT": "8081",
            "MAILER_SMTP__0__HOST": "127.0.0.3",
            "MAILER_SMTP__1__HOST": "127.0.0.4",
            "MAILER_SMTP__1__ALLOW_PLAIN": "true",
            "MAILER_NEWSLETTER__FROM": "ایران من <news@example.org>",
            "MAILER_NEWSLETTER__SECTIONS": '{"سیاسی" = "سیاست"}',
            "MAILER_SCHEDULE__HOLIDAYS": '["2027-03-21", 2027-03-22]',
            "MAILER_SCHEDULE__DRAFT_BEFORE": "30m",
            "MAILER_DIGEST__MAX_SOURCE": "1",
            "MAILER_TEMPLATES": "my templates",
            "MAILER_CONFIG": "elsewhere.toml",
            "MAILERS": "not ours",
            "PATH": "/usr/bin",
        },
    )
    assert (loaded.web.port, loaded.web.host) == (8081, "::1")
    assert [(relay.host, relay.port, relay.allow_plain) for relay in loaded.smtp] == [
        ("127.0.0.3", 2525, False),
        ("127.0.0.4", 25, True),
    ]
    assert loaded.newsletter.from_ == "ایران من <news@example.org>"
    assert loaded.newsletter.sections == {"سیاسی": "سیاست"}
    assert loaded.schedule.holidays == (date(2027, 3, 21), date(2027, 3, 22))
    assert loaded.schedule.draft_before == timedelta(minutes=30)
    assert loaded.digest.max_source == 1
    assert loaded.templates == Path("my templates")


def test_a_number_stays_text_where_text_is_wanted(load: Load) -> None:
    assert load("", {"MAILER_NEWSLETTER__NAME": "2027"}).newsletter.name == "2027"
    assert load("", {"MAILER_NEWSLETTER__NAME": '"x"'}).newsletter.name == '"x"'


def test_an_empty_variable_unsets_an_option_and_empties_a_text(load: Load) -> None:
    text = '[newsletter]\nreply_to = "a@example.org"\npostal_address = "تهران"'
    loaded = load(text, {"MAILER_NEWSLETTER__REPLY_TO": "", "MAILER_NEWSLETTER__POSTAL_ADDRESS": ""})
    assert (loaded.newsletter.reply_to, loaded.newsletter.postal_address) == (None, "")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("MAILER_DATABASE_URL", "x", 'there is no such setting (did you mean "MAILER_DATABASE__URL"?)'),
        ("MAILER_SMPT__0__PORT", "1", 'there is no such setting (did you mean "MAILER_SMTP__0__PORT"?)'),
        ("MAILER_SMTP__3__PROT", "1", 'there is no such setting (did you mean "MAILER_SMTP__3__PORT"?)'),
        ("MAILER_SMTP__PORT", "1", 'there is no such setting (did you mean "MAILER_SMTP__0__PORT"?)'),
        ("MAILER_QQQ", "1", "there is no such setting"),
        ("MAILER_", "1", "there is no such setting"),
        ("MAILER_FOLDER", "/", "there is no such setting"),
        ("MAILER_WEB", "{port=1}", "names a section; name one setting in it, such as MAILER_WEB__HOST"),
        ("MAILER_NEWSLETTER__SECTIONS__A", "x", "names a part of a setting; give the whole of it"),
        ("MAILER_SMTP__1__HOST", "127.0.0.1", "entry 1 comes after entry 0, and there is no such entry"),
        ("MAILER_SCHEDULE__HOLIDAYS", "norooz", '"norooz" should be written as in TOML'),
        ("MAILER_SCHEDULE__HOLIDAYS", '[]\n[web]\nport = 1', '"[]\\n[web]\\nport = 1" should be written as in TOML'),
        ("MAILER_SCHEDULE__HOLIDAYS", "2027-03-21", "schedule.holidays: 2027-03-21 should be a list"),
        ("MAILER_WEB__PORT", "abc", 'web.port: "abc" should be a whole number'),
        ("MAILER_WEB__PORT", "1\nx = 2", 'web.port: "1\\nx = 2" should be a whole number'),
        ("MAILER_WEB__PORT", "70000", "web.port: 70000 should be at most 65535"),
        ("MAILER_SMTP__0__TLS", "startls", 'smtp.0.tls: "startls" is not one of none, starttls, implicit ('),
        ("MAILER_SMTP__0__HOST", "relay.example.org", 'smtp.0: tls = "none" would send every mail in clear'),
        ("MAILER_NEWSLETTER__NAME", os.fsdecode(b"\xff"), "is not UTF-8"),
        ("MAILER_SERVICE_HOST", "10.0.0.1", "is set by Kubernetes for a service called \"mailer\""),
        ("MAILER_PORT_8080_TCP_ADDR", "10.0.0.1", "is set by Kubernetes for a service called \"mailer\""),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(load: Load, name: str, value: str, problem: str) -> None:
    (reported,) = problems_of(load, "", {name: value})
    assert reported.startswith(f"{name}: {problem}")


def test_mistakes_of_file_and_environment_are_reported_together(load: Load) -> None:
    reported = problems_of(load, "[web]\nport = 0\n", {"MAILER_LOG__LEVEL": "loud", "MAILER_WEBB__PORT": "1"})
    assert [line.split(": ")[0] for line in reported] == ["config.toml:2", "MAILER_LOG__LEVEL", "MAILER_WEBB__PORT"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("web = 5", "config.toml:1: web: should be a section: [web] and its settings below"),
        ("smtp = 5", "config.toml:1: smtp: should have two brackets on each side: [[smtp]]"),
        ("[smtp]", "config.toml:1: smtp: should have two brackets on each side: [[smtp]]"),
        ("smtp = [5]", "config.toml:1: smtp.0: should be a section: [[smtp]] and its settings below"),
    ],
)
def test_a_variable_does_not_hide_that_the_file_is_wrong(load: Load, text: str, problem: str) -> None:
    environ = {"MAILER_WEB__PORT": "8081", "MAILER_SMTP__0__PORT": "25"}
    assert problems_of(load, text, environ) == [problem]


NAMES = sorted({str(part) for place, _ in leaves() for part in place} | {"x", "الف ب", ""})
TOML_VALUES = st.recursive(
    st.sampled_from([True, -1, 25, 2.5, float("nan"), "", "x", "24h", "none", date.max]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
VARIABLES = st.dictionaries(
    st.sampled_from(["MAILER_" + "__".join(map(str, place)).upper() for place, _ in leaves()]),
    st.sampled_from(["", "x", "1", "[]", "{}", "24h", "true", '"x"', "[[[["]),
    max_size=4,
)


@given(st.dictionaries(st.sampled_from(NAMES), TOML_VALUES, max_size=4), VARIABLES)
@settings(max_examples=200, deadline=None)
def test_whatever_the_file_holds_it_is_settings_or_problems(data: dict[str, Any], environ: dict[str, str]) -> None:
    before = repr(data)
    laid = lay_over(data, environ)
    settings, problems = judged(laid.data)
    assert repr(data) == before
    assert settings.smtp
    assert all("\n" not in f"{dotted(problem.place)}{problem.words}" for problem in problems)


def test_the_tenth_relay_comes_after_the_second(load: Load) -> None:
    loaded = load("", {f"MAILER_SMTP__{number}__PORT": str(1000 + number) for number in range(12)})
    assert [relay.port for relay in loaded.smtp] == list(range(1000, 1012))


def test_every_setting_has_a_variable_and_takes_its_default_from_it(load: Load, tmp_path: Path) -> None:
    for place, field in leaves():
        if place[:2] in {("articles", "feeds"), ("digest", "blocks")}:
            continue  # an entry that a variable makes is not the default: there is none
        default = field.get_default(call_default_factory=True)
        raw = "" if default is None else spelled(default) if is_text(field) else toml(default)
        name = "MAILER_" + "__".join(str(part) for part in place).upper()
        assert load("", {name: raw}) == Settings(folder=tmp_path), name


# --- secrets --------------------------------------------------------------------------------------------------------
def test_secrets_are_shown_nowhere(load: Load) -> None:
    loaded = load(
        f'[database]\nurl = "postgresql://u:{SECRET}@db.example.org/n?sslpassword={SECRET}&PASSWORD={SECRET}"\n'
        f'[[smtp]]\nusername = "u"\npassword = "{SECRET}"\n'
    )
    shown = config.shown(loaded)
    for text in (repr(loaded), str(loaded), json.dumps(shown, ensure_ascii=False), repr(loaded.database)):
        assert SECRET not in text
    assert shown["smtp"][0]["password"] == MASK
    assert shown["database"]["url"] == "postgresql://u:***@db.example.org/n?sslpassword=***&PASSWORD=***"
    assert config.database_url(loaded).count(SECRET) == 3  # what connects needs the real one


@pytest.mark.parametrize(
    "text",
    [
        f'[database]\nurl = "mysql://u:{SECRET}@h/d"',
        f'[[smtp]]\npassword = ["{SECRET}"]',
        f'[[smtp]]\npassword = "{SECRET}"',
        f'[smtp]\npassword = "{SECRET}"',
        f'[[smtp]]\npasword = "{SECRET}"',
        f'[[smtp]]\nusername = "u"\npassword = "{SECRET}"\nport = 0',
        f'[pasword]\nx = "{SECRET}"',
        f'[database]\nurl = {{a = "{SECRET}"}}',
    ],
)
def test_no_message_repeats_a_secret(load: Load, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, {"MAILER_SMTP__0__PASWORD": SECRET, "MAILER_SMTP__0__USERNAME__X": SECRET})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def relay(**values: object) -> Smtp:
    return Smtp.model_validate({"username": "u", **values})


def test_where_a_password_comes_from(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"of the file\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    here = Settings(folder=tmp_path)
    everything = relay(password_file="pw", password="of the setting")
    assert config.password(relay(password="of the setting"), here, environ) == "of the setting"
    (credentials / "smtp_password").write_bytes(b"of systemd\n")
    assert config.password(everything, here, environ) == "of the file"
    assert config.password(relay(password="of the setting"), here, environ) == "of systemd"
    assert config.password(relay(), here, environ) == "of systemd"
    assert config.password(Smtp(), here, environ) is None
    with pytest.raises(ConfigError, match="neither password_file nor password"):
        config.password(relay(), here, {})


@pytest.mark.parametrize(
    ("written", "password"),
    [
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b" x ", " x "),
        (b"x\r", "x\r"),
        ("گذرواژه".encode(), "گذرواژه"),
    ],
)
def test_one_newline_is_not_part_of_a_password(tmp_path: Path, written: bytes, password: str) -> None:
    (tmp_path / "pw").write_bytes(written)
    assert config.password(relay(password_file="pw"), Settings(folder=tmp_path), {}) == password


@pytest.mark.parametrize(
    ("written", "words"), [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "UTF-8")]
)
def test_a_password_file_that_is_no_use(tmp_path: Path, written: bytes | None, words: str) -> None:
    if written is not None:
        (tmp_path / "pw").write_bytes(written)
    with pytest.raises(ConfigError, match=rf"pw \(password_file\): .*{words}"):
        config.password(relay(password_file="pw"), Settings(folder=tmp_path), {})


def test_systemd_may_hold_the_password_that_the_file_does_not(load: Load, tmp_path: Path) -> None:
    (tmp_path / "smtp_password").write_text("x")
    text = '[[smtp]]\nusername = "u"\n'
    assert load(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).smtp[0].username == "u"
    assert len(problems_of(load, text, {"CREDENTIALS_DIRECTORY": str(tmp_path / "other")})) == 1


# --- keys and the database ------------------------------------------------------------------------------------------
def test_a_missing_key_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"secret\.key: there is no key file\. Put the file back"):
        config.keys(Settings(folder=tmp_path))


def test_keys_are_read_from_the_folder_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k").write_text(new_key_file(os.urandom))
    keys = config.keys(Settings.model_validate({"keys": {"file": "keys/k"}, "folder": tmp_path}))
    assert keys.signing != keys.suppression
    assert keys.signing.hex() in (tmp_path / "keys" / "k").read_text()
    assert keys.signing.hex() not in repr(keys)


@pytest.mark.parametrize("written", [b"", b"\xff\xfe", b"not a key\n"])
def test_a_file_that_is_not_a_key_file(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(written)
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "secret.key"))):
        config.keys(Settings(folder=tmp_path))


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("sqlite:///subscribers.db", "sqlite:////srv/n/subscribers.db"),
        ("sqlite:///data/s.db?timeout=5", "sqlite:////srv/n/data/s.db?timeout=5"),
        ("sqlite:////var/s.db", "sqlite:////var/s.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://u@h/n", "postgresql://u@h/n"),
    ],
)
def test_a_database_file_counts_from_the_folder(url: str, absolute: str) -> None:
    settings = Settings.model_validate({"database": {"url": url}, "folder": Path("/srv/n")})
    assert config.database_url(settings) == absolute


# --- what is shown --------------------------------------------------------------------------------------------------
def test_shown_settings_can_be_loaded_again(load: Load) -> None:
    first = load(
        '[schedule]\nholidays = [2027-03-21]\nmax_late = "90s"\ntime = "21:30"\n'
        '[newsletter.sections]\n"سیاست‌خارجی" = "سیاست"\n[[smtp]]\nca_file = "a b.pem"\n[[smtp]]\nport = 26\n'
    )
    shown = config.shown(first)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["schedule"]["max_late"] == "90s"
    assert shown["newsletter"]["from"] == "news@example.org"
    assert Settings.model_validate({**shown, "folder": first.folder}) == first


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=900)))
@settings(max_examples=100, deadline=None)
def test_durations_come_back_as_they_were(value: timedelta) -> None:
    whole = timedelta(seconds=value // timedelta(seconds=1))
    number, unit = re.fullmatch(r"(\d+)([smhd])", spelled(whole)).groups()  # type: ignore[union-attr]
    assert int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] == whole.total_seconds()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_quoted_text_is_toml_and_harmless(text: str) -> None:
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text
    assert all(letter.isprintable() or letter in "\u200c\u200d" for letter in quoted(text))


# --- lines ----------------------------------------------------------------------------------------------------------
VALUES = [
    "1", '"x"', "'''\n[web]\nport = 1\n'''", '"""\n[[smtp]]\nhost = "x" # no\n"""', '"[a]"', '"a \\" [b"', "'# no'",
    '[\n  1, # [web]\n  "]",\n]', '{ a = "}", b = [1] }', "2027-03-21", '""""x\n"""""', "''''a\n'''''", '"" # [x]',
]  # fmt: skip
HEADERS = ["[web]", "[[smtp]]", "[ newsletter . sections ] # x", '["نام"]', "[[smtp.more]]"]


@given(st.lists(st.sampled_from(VALUES), max_size=6), st.lists(st.sampled_from(HEADERS), max_size=5), st.booleans())
@settings(max_examples=200, deadline=None)
def test_each_key_is_found_in_its_line(values: list[str], headers: list[str], windows: bool) -> None:
    text = ""
    wanted: list[int] = []
    for number, value in enumerate(values):
        header = headers[number] if number < len(headers) else ""
        text += f"# [no]\n  {header}\n"
        wanted.append(text.count("\n") + 1)
        text += f' k{number}."x y" = {value}\n'
    lines = lines_of(text.replace("\n", "\r\n") if windows else text)
    found = {str(place[-2]): line for place, line in lines.items() if place[-1] == "x y"}
    assert found == {f"k{number}": line for number, line in enumerate(wanted)}


def test_lists_of_sections_are_numbered() -> None:
    lines = lines_of('a.b = 1\n[[s]]\nx = 1\n[s.t]\ny = 2\n[[s]]\nx = 3\n[[s.u]]\nz = 1\n[[s.u]]\nz = 2\n["q.r"]\n')
    assert lines == {
        ("a",): 1, ("a", "b"): 1, ("s",): 2, ("s", 0): 2, ("s", 0, "x"): 3, ("s", 0, "t"): 4, ("s", 0, "t", "y"): 5,
        ("s", 1): 6, ("s", 1, "x"): 7, ("s", 1, "u"): 8, ("s", 1, "u", 0): 8, ("s", 1, "u", 0, "z"): 9,
        ("s", 1, "u", 1): 10, ("s", 1, "u", 1, "z"): 11, ("q.r",): 12,
    }  # fmt: skip


def test_toml_writes_every_kind_of_value() -> None:
    assert [toml(value) for value in (True, 3, 0.34, 1.0, date(2027, 3, 21), ("a", "ب"), Path("x y"), {"a b": 1})] == [
        "true", "3", "0.34", "1", "2027-03-21", '["a", "ب"]', '"x y"', '{"a b" = 1}',
    ]  # fmt: skip


def test_statements_that_go_on_have_their_first_line() -> None:
    lines = lines_of(
        'a = """one [\n"" \\""" two\n"""" # [\nb = [ # ]\n  "x]", \'[\',\n  {c = 1}, """\n]""",\n]\n'
        "d = '''[\n\\'''\ne = 1\n"
    )
    assert lines == {("a",): 1, ("b",): 4, ("d",): 9, ("e",): 11}


def test_the_lines_of_a_long_list_are_found_in_linear_time() -> None:
    def seconds(count: int) -> float:
        text = "[articles]\nbanned = [\n" + '  "واژه",\n' * count + "]\n"
        began = time.process_time()
        assert lines_of(text) == {("articles",): 1, ("articles", "banned"): 2}
        return time.process_time() - began

    small = min(seconds(2_000) for _ in range(3))
    assert min(seconds(16_000) for _ in range(3)) < 24 * small
