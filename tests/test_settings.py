"""The files generated from the settings agree with them, and their examples are valid."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailer import config
from mailer.config import reference
from mailer.config.fields import default_of, is_table, leaves, limits_of, section_in, settings_of
from mailer.errors import ConfigError
from mailer.settings import Database, Digest, Newsletter, Schedule, Section, Settings, Smtp, Web
from mailer.text.calendar import JALALI_LOCALES
from mailer.text.locales import CODES

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("file", "function"), [("config.toml", "config_toml"), ("docs/settings.md", "settings_markdown")]
)
def test_generated_files_are_up_to_date(file: str, function: str) -> None:
    command = (
        f"from mailer.config import reference; open('{file}', 'w', encoding='utf-8').write(reference.{function}())"
    )
    same = (REPOSITORY / file).read_text("utf-8") == getattr(reference, function)()
    assert same, f'{file} is not what the settings say. Make it anew: .venv/bin/python -c "{command}"'


def test_the_reference_holds_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(reference.config_toml(), "utf-8")
    assert config.load(path, {}) == Settings(folder=tmp_path)


def test_every_setting_is_in_the_reference_once() -> None:
    tables = [".".join(map(str, place)) for place, field in leaves() if is_table(field)]
    section = ""
    found: list[str] = []
    for line in reference.config_toml().splitlines():
        if header := re.fullmatch(r"(?:# )?\[+([a-z_.]+)\]+", line):
            section = header[1]
            if section in tables:
                found.append(section)
        elif key := re.match(r"(?:# )?([a-z_]+) = ", line):
            found.append(f"{section}.{key[1]}".strip("."))
    wanted = [".".join(part for part in place if isinstance(part, str)) for place, _ in leaves()]
    assert sorted(found) == sorted(wanted)


def test_commented_settings_work_when_they_are_switched_on(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=([a-z_]+|\"[^\"]+\") = |\[\[)", "", reference.config_toml(), flags=re.MULTILINE)
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    (tmp_path / "templates").mkdir()
    settings = config.load(path, {})
    assert settings.newsletter.reply_to == "editors@example.org"
    assert settings.smtp[0].password_file == Path("smtp-password")
    assert list(settings.newsletter.sections.values()) == ["سیاست", "سیاست", "اقتصاد"]
    untouched = [name for name in settings_of(Settings) if getattr(settings, name) is None]
    assert not untouched


def test_lines_of_the_reference_fit_a_terminal() -> None:
    assert max(len(line) for line in reference.config_toml().splitlines()) <= 102


def test_every_setting_has_a_meaning_and_every_option_an_example() -> None:
    for place, field in leaves():
        assert (field.description or "").endswith("."), place
        assert field.default is not None or field.examples, place
    for name, field in settings_of(Settings).items():
        section = section_in(field)
        assert section is None or (section.__doc__ or "").strip(), name


def test_limits_are_part_of_the_explanation() -> None:
    assert limits_of(Digest.model_fields["stories"]) == "From 1 to 16."
    assert limits_of(Digest.model_fields["max_section"]) == "More than 0, at most 1."
    assert limits_of(Schedule.model_fields["approval"]) == 'One of "none", "required".'
    assert limits_of(Schedule.model_fields["draft_before"]) == 'From "5m" to "6d".'
    assert limits_of(Newsletter.model_fields["name"]) == ""


def test_the_reference_is_toml_without_any_setting_of_the_machine() -> None:
    data = tomllib.loads(reference.config_toml())
    assert "folder" not in data
    assert list(data) == [name for name, field in settings_of(Settings).items() if section_in(field)]


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (Schedule, {"time": "24:00"}, "time of day"),
        (Schedule, {"time": 9}, "quotation marks"),
        (Schedule, {"draft_before": "24 hours"}, "number and a unit"),
        (Schedule, {"draft_before": "99999999999999d"}, "number and a unit"),
        (Schedule, {"max_late": 24}, "quotation marks"),
        (Schedule, {"holidays": [20270321]}, "a date such as"),
        (Schedule, {"holidays": ["2027-02-30"]}, "day"),
        (Newsletter, {"timezone": "Asia/Teheran"}, "no time zone"),
        (Newsletter, {"timezone": "../etc/passwd"}, "no time zone"),
        (Newsletter, {"base_url": "news.example.org"}, "https://"),
        (Newsletter, {"from": "news at example.org"}, "an address"),
        (Newsletter, {"from": "ایران من <news@example.org"}, "an address"),
        (Newsletter, {"name": "a\r\nBcc: x@example.org"}, "pattern"),
        (Newsletter, {"list_id": "خبرنامه"}, "a name such as"),
        (Digest, {"stories": True}, "whole number"),
        (Digest, {"stories": "12"}, "whole number"),
        (Digest, {"stories": 12.0}, "whole number"),
        (Digest, {"max_source": "0.5"}, "a number"),
        (Digest, {"max_source": float("nan")}, "less than or equal to 1"),
        (Digest, {"stories": 4, "min_stories": 5}, "larger than stories"),
        (Smtp, {"allow_plain": 1}, "true or false"),
        (Smtp, {"host": "relay.example.org"}, "in clear"),
        (Smtp, {"password": "x"}, "no username"),
        (Web, {"trusted_proxies": ["*"]}, "forge"),
        (Database, {"url": "mysql://h/db"}, "postgresql://"),
    ],
)
def test_a_wrong_value_is_refused_with_a_reason(section: type[Section], values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        section.model_validate(values)


def test_values_are_made_whole() -> None:
    schedule = Schedule.model_validate({"holidays": ["2027-03-21", date(2027, 3, 22)], "time": "9:05"})
    assert schedule.holidays == (date(2027, 3, 21), date(2027, 3, 22))
    assert schedule.time.isoformat() == "09:05:00"
    assert Newsletter.model_validate({"base_url": "https://n.example.org/"}).base_url == "https://n.example.org"
    assert Digest.model_validate({"max_source": 1}).max_source == 1.0


def test_validation_changes_no_default() -> None:
    """The defaults of a section that the file does not mention are used as they are."""
    defaults = Settings.model_construct(**{name: default_of(field) for name, field in settings_of(Settings).items()})
    assert repr(defaults) == repr(Settings())
    assert defaults == Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().web.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("code", CODES)
def test_jalali_dates_need_a_language_that_has_names_for_the_months(tmp_path: Path, code: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[newsletter]\nlocale = "{code}"\ncalendar = "gregorian"\n', "utf-8")
    assert config.load(path, {}).newsletter.calendar == "gregorian"
    path.write_text(f'[newsletter]\nlocale = "{code}"\n', "utf-8")
    if code in JALALI_LOCALES:
        assert config.load(path, {}).newsletter.calendar == "jalali"
    else:
        with pytest.raises(ConfigError) as caught:
            config.load(path, {})
        assert f'"{code}" has no names for Jalali months; set calendar = "gregorian"' in str(caught.value.problems)
