"""The text of a page has one article; menus, captions, boxes and other headlines do not belong to it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
TITLE = "کتابخانهٔ سیار به ۴۰ روستای کوهستانی می‌رود"
LEAD = "چهار خودرو از هفتهٔ آینده هر روز کتاب‌های تازه را به روستاهای دور از شهر می‌رسانند."
FIRST = "به گزارش تابش، این طرح با همکاری آموزگاران بازنشسته آغاز می‌شود و یک سال ادامه دارد."
SUBHEAD = "آموزگاران داوطلب"
SECOND = "مینا سپهری، از آموزگاران این طرح، گفت: «کودکان هر روستا خود فهرست کتاب‌ها را می‌نویسند.»"
OTHERS = "خبرهای دیگر\n\nباران در راه شمال است\n\nپلی تازه بر رودخانه\n\nعضو خبرنامه شوید\n\nعضویت"


def of(text: str) -> FoundArticle:
    found = read("page.txt", text.encode(), zone=TEHRAN)
    assert found.notes == ()
    (article,) = found.articles
    return article


def test_an_article_between_menu_and_boxes() -> None:
    article = of(
        f"""تابش
        سیاست
        اقتصاد
        صفحه نخست » فرهنگ و هنر » {TITLE}
        \u00a0
        تاریخ انتشار: سه‌شنبه ۷ بهمن ۱۴۰۴ - ۱۲:۳۰
        کد خبر: ۱۲۳۴۵۶

        {TITLE}
        تاریخ انتشار: سه‌شنبه ۷ بهمن ۱۴۰۴ - ۱۲:۳۰
        زمان مطالعه: ۳ دقیقه

        {LEAD}
        کتابخانهٔ سیار در جادهٔ کوهستان

        {FIRST}

        {SUBHEAD}

        {SECOND}

        عکس: تابش
        {OTHERS}
        برای خواندن همهٔ خبرهای هفته، نشانی خود را در این کادر بنویسید و دکمه را بزنید.
        """
    )
    assert article.title == TITLE
    assert article.category == "فرهنگ و هنر"
    assert article.lead == LEAD
    assert article.body == "\n".join([FIRST, SUBHEAD, SECOND])
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("sign", ["/", "›", ">", "»", "-", "|"])
def test_the_title_may_contain_the_separator_of_the_breadcrumb(sign: str) -> None:
    title = f"کتابخانهٔ سیار {sign} چهل روستا"
    article = of(f"صفحه اصلی {sign} جامعه {sign} {title}\n\n{title}\n\n{LEAD}\n\n{FIRST}\n")
    assert (article.title, article.category, article.body) == (title, "جامعه", FIRST)


def test_a_breadcrumb_that_is_cut_short_or_ends_with_the_section() -> None:
    cut = of(f"خانه > جامعه > {TITLE[:20]}…\n{TITLE}\n\n{LEAD}\n")
    assert (cut.title, cut.category) == (TITLE, "جامعه")
    short = of(f"خانه > جامعه\nعکس روز\n{TITLE}\n\n{LEAD}\n")
    assert (short.title, short.category) == (TITLE, "جامعه")


def test_a_breadcrumb_may_have_one_part_a_line_but_a_menu_is_not_one() -> None:
    menu = "صفحه اصلی\nسیاست\nاقتصاد\nجامعه\nورزش\n"
    article = of(f"{menu}صفحه اصلی\n/\nجامعه\n/\nآموزش\n{TITLE}\nآموزش\n{LEAD}\n")
    assert (article.title, article.category, article.lead) == (TITLE, "جامعه", LEAD)
    assert of(f"{menu}{TITLE}\n{LEAD}\n").category == ""


def test_without_a_breadcrumb_the_title_is_the_first_headline() -> None:
    article = of(f"{TITLE}\n\n{LEAD}\n\n{FIRST}\n")
    assert (article.title, article.category, article.lead, article.body) == (TITLE, "", LEAD, FIRST)


def test_a_title_may_be_a_question_and_may_be_repeated() -> None:
    question = "چرا کتابخانهٔ سیار به روستاهای کوهستانی می‌رود؟"
    article = of(f"تابش، خبرهای روز\n{question}\nعکس: مینا سپهری\n{question}\n{LEAD}\n{FIRST}\n")
    assert (article.title, article.lead, article.body) == (question, LEAD, FIRST)


def test_lines_in_the_middle_that_lead_elsewhere_are_left_out() -> None:
    article = of(
        f"{TITLE}\n{LEAD}\n{FIRST}\nبیشتر بخوانید: باران در راه شمال است\n{SECOND}\n"
        f"بیشتر بخوانید\nباران در راه شمال است\nپلی تازه بر رودخانه\n{FIRST}\n{OTHERS}"
    )
    assert article.body == "\n".join([FIRST, SECOND, FIRST])


@pytest.mark.parametrize("ending", ["آخرین اخبار ایران و جهان", "برچسب‌ها: کتاب، روستا", "نظرات (۱۲)", "انتهای پیام/"])
def test_every_usual_ending_ends_the_article(ending: str) -> None:
    article = of(f"{TITLE}\n{LEAD}\n{FIRST}\n{ending}\n{SECOND}\n")
    assert article.body == FIRST


def test_a_sentence_may_begin_like_an_ending() -> None:
    sentence = "نظرات کارشناسان دربارهٔ این طرح یکسان نیست و بعضی آن را پرهزینه و کوتاه‌مدت می‌دانند."
    assert of(f"{TITLE}\n{LEAD}\n{sentence}\n").body == sentence


def test_markup_characters_in_a_text_are_kept() -> None:
    assert of(f"{TITLE} <۲> & بیشتر\n{LEAD}\n").title == f"{TITLE} <۲> & بیشتر"


@pytest.mark.parametrize("text", ["باران", f"{TITLE}\n\n{TITLE}\n", "یک\nدو\nسه\n", f"{LEAD}\n"])
def test_a_text_without_an_article_is_refused(text: str) -> None:
    with pytest.raises(UnreadableInput, match=r"page\.txt: ") as refused:
        of(text)
    assert "title" in refused.value.fix
