"""Articles that are not free to read are recognised, and articles about passwords are not taken for them."""

import pytest

from mailer.sources.access import closed_by_json_ld, is_closed, is_free


@pytest.mark.parametrize(
    ("title", "lead"),
    [
        ("محافظت‌شده: گزارش ویژه", ""),
        ("محافظت شده: گزارش ویژه", ""),
        ("خصوصی: یادداشت", ""),
        ("Protected: A report", ""),
        ("Private: A report", ""),
        ("محمي: تقرير خاص", ""),
        ("محمي بكلمة مرور: تقرير", ""),
        ("گزارش", "چکیده‌ای موجود نیست زیرا این یک نوشتهٔ محافظت‌شده است."),
        ("گزارش", "این نوشته با رمز عبور محافظت شده است. برای دیدن آن رمز را وارد کنید."),
        ("گزارش", "این محتوا فقط برای اعضای ویژه در دسترس است."),
        ("گزارش", "این مطلب مخصوص مشترکان است."),
        ("A report", "There is no excerpt because this is a protected post."),
        ("A report", "This content is password protected. To view it please enter your password below:"),
        ("A report", "This post is for paid subscribers"),
        ("A report", "This content is restricted to site members."),
        ("تقرير", "لا يوجد مقتطف لأن هذه مقالة محمية."),
        ("تقرير", "هذا المحتوى متاح للمشتركين فقط"),
    ],
)
def test_words_that_close_an_article(title: str, lead: str) -> None:
    assert is_closed(title, lead)


@pytest.mark.parametrize(
    ("title", "lead"),
    [
        ("زمین‌های محافظت‌شده", "منطقهٔ حفاظت‌شدهٔ شمال گسترش یافت."),
        ("خاص: مصادر تكشف التفاصيل", "تفاصيل جديدة عن الاتفاق."),
        ("رمز عبور قوی", "این مطلب روش ساختن رمز عبور قوی را می‌آموزد."),
        ("Private schools", "Private schools are for members of rich families, a report says."),
        ("باشگاه", "این خبر را اعضای باشگاه تأیید کردند."),
        ("گزارش", "این محتوا فقط برای اعضا است. " * 20),
    ],
)
def test_words_that_only_look_like_it(title: str, lead: str) -> None:
    assert not is_closed(title, lead)


@pytest.mark.parametrize(
    ("value", "free"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("false", False),
        ("False", False),
        ("http://schema.org/False", False),
        ("https://schema.org/True", True),
        ("schema:False", False),
        ({"@value": "false", "@type": "http://www.w3.org/2001/XMLSchema#boolean"}, False),
        ({"@id": "https://schema.org/False"}, False),
        ([False], False),
        ([True, "false"], False),
        (0, False),
        ("1", True),
        ("No", False),
        ("", None),
        (None, None),
        ("perhaps", None),
        ([], None),
        ([[[[[[False]]]]]], None),
    ],
)
def test_free_in_any_form_of_json_ld(value: object, free: bool | None) -> None:
    assert is_free(value) is free
    assert closed_by_json_ld({"isAccessibleForFree": value}) is (None if free is None else not free)
    assert closed_by_json_ld({"schema:isAccessibleForFree": value}) is (None if free is None else not free)


def test_a_part_behind_a_paywall_closes_the_article() -> None:
    part = {"@type": "WebPageElement", "isAccessibleForFree": "False", "cssSelector": ".paywall"}
    assert closed_by_json_ld({"hasPart": part})
    assert closed_by_json_ld({"hasPart": [{"isAccessibleForFree": True}, part, "x"]})
    assert closed_by_json_ld({"isAccessibleForFree": True, "hasPart": part}) is False
    assert closed_by_json_ld({"headline": "x"}) is None
