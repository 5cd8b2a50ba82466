import os
from pathlib import Path

import headline_data as data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text import headlines

LONG = "که در نشست امروز دربارهٔ آن بسیار گفت‌وگو شد و هفتهٔ آینده نیز پی گرفته می‌شود"


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("علی‌اف: عملیات دیگری در قره‌باغ انجام نمی‌دهیم", "علی‌اف: عملیات دیگری در قره‌باغ انجام نمی‌دهیم"),
        (f"قیمت نفت ایران ارتباطی با نفت آمریکا ندارد | طرحی {LONG}", "قیمت نفت ایران ارتباطی با نفت آمریکا ندارد"),
        (f"قیمت نفت ایران دو دلار بالا رفت/ طرحی {LONG}", "قیمت نفت ایران دو دلار بالا رفت"),
        (f"قیمت نفت ایران دو دلار بالا رفت؛ طرحی {LONG}", "قیمت نفت ایران دو دلار بالا رفت"),
        (f"آیا قیمت نفت ایران بالا می‌رود؟ طرحی {LONG}", "آیا قیمت نفت ایران بالا می‌رود؟"),
        (f"قیمت نفت ایران دو دلار بالا رفت! طرحی {LONG}", "قیمت نفت ایران دو دلار بالا رفت!"),
        (f"وزیر از طرح تازه‌ای {LONG} + فیلم", f"وزیر از طرح تازه‌ای {LONG}"),
        (f"وزیر از طرح تازه‌ای {LONG} (+ عکس)", f"وزیر از طرح تازه‌ای {LONG}"),
        (f"شورا سه بوستان ساخت | شش پل را باز کرد | طرحی {LONG}", "شورا سه بوستان ساخت | شش پل را باز کرد"),
        (f"فیلم | وزیر از طرح تازه‌ای {LONG}", f"وزیر از طرح تازه‌ای {LONG}"),
    ],
)
def test_a_headline_is_cut_after_a_clause(title: str, subject: str) -> None:
    assert headlines.subject(title) == subject


@pytest.mark.parametrize(
    "title",
    [
        f"وزیر گفت: «قیمت نفت ایران؛ دو دلار بالا رفت | طرحی {LONG[:50]}»",  # inside a quotation
        f"وزیر (که خود از شیراز است؛ و جوان) طرحی داد {LONG[:60]}",  # inside brackets
        f"یارانهٔ آذر در تاریخ ۱۴۰۵/۰۹/۱۲ و ۱۴۰۵ / ۱۰ / ۱۲ واریز می‌شود {LONG[:50]}",  # dates
        f"مدیران و/یا کارکنان این سازمان طرحی داده‌اند {LONG[:60]}",  # not the end of a clause
        f"تیم ملی در دقیقهٔ ۹۰ + ۴ پیروز شد {LONG}",
        f"رئیس بانک مرکزی از کار کنار رفت | سخنگوی دولت آن را تکذیب کرد {LONG[:30]}",  # takes back the first clause
        "مدیرعامل شرکت ملی نفت کشور می‌گوید که صادرات زعفران و پسته به هیچ روی در سال آینده کمتر از امسال نخواهد بود",
    ],
)
def test_a_headline_of_one_clause_stays_whole(title: str) -> None:
    assert headlines.SUBJECT_LENGTH < len(title) <= headlines.LONGEST_SUBJECT
    assert headlines.subject(title) == title


@pytest.mark.parametrize(
    "title",
    [
        "وزیر نفت از سمت خود استعفا داد و جانشین او فردا معرفی می‌شود؛ وزارت نفت: چنین خبری نادرست است و وزیر سرکار",
        "وزیر نفت از سمت خود استعفا داد و جانشین او فردا معرفی می‌شود / وزارت نفت: استعفا را رد می‌کنیم",
        "همهٔ مدرسه‌های تهران فردا به دلیل آلودگی هوا تعطیل است / آموزش و پرورش: خبر تعطیلی مدارس درست نیست",
        "قیمت بنزین تا پایان سال افزایش پیدا خواهد کرد؛ اما این افزایش شامل تاکسی‌ها و وانت‌بارها نمی‌شود",
        "Government will raise fuel prices by half in January | Spokesman rejects the claim as untrue",
        "Government will raise fuel prices by half in January; but only for cars from other countries",
        "استقالة وزير النفط من منصبه وتعيين خلفه يوم غد في طهران | الوزارة: الخبر غير صحيح والوزير باق",
        "שר הנפט התפטר מתפקידו ומחליפו ימונה מחר בטהרן | משרד הנפט: הידיעה שקרית והשר ממשיך בתפקידו",
        "وزیر تیل نے اپنے عہدے سے استعفیٰ دے دیا اور جانشین کل آئے گا | وزارت: یہ خبر جھوٹی ہے اور وزیر کام پر ہیں",
        "شایعه | قیمت بنزین تا پایان سال سه برابر می‌شود و کارت سوخت هم از فردا برای همیشه جمع می‌شود",
    ],
)
def test_a_clause_stays_with_what_takes_it_back(title: str) -> None:
    assert headlines.SUBJECT_LENGTH < len(title) <= headlines.LONGEST_SUBJECT
    assert headlines.subject(title) == title
    assert headlines.clauses(title, headlines.SUBJECT_LENGTH) == ""


@pytest.mark.parametrize(
    "denial",
    [
        *(
            "این خبر دروغ است",
            "این خبر نادرست است",
            "این خبر درست نیست",
            "این خبر صحيح نيست",
            "چنین نیست",
            "آن را رد کرد",
        ),
        *("آن را رد می کند", "این خبر رد شد", "این خبر بی‌اساس است", "این خبر بی اساس است", "این خبر ساختگی است"),
        *("الخبر غير صحيح", "Minister denies it", "HOAX", "a hoax, he says", "This is not true", "This is untrue"),
        *("She rejected this", 'משרד הנפט: להד"ם', "השר הכחיש", "שקר", "یہ جھوٹ ہے", "وزارت کی تردید", "ئەمە درۆیە"),
    ],
)
def test_these_words_take_back_a_clause(denial: str) -> None:
    claim = "قیمت نفت ایران دو دلار بالا رفت"
    title = f"{claim} | {denial} {LONG[: 115 - len(claim) - len(denial)]}"
    assert headlines.subject(title) == title
    assert headlines.subject(f"{claim} | {LONG}") == claim


@pytest.mark.parametrize(
    "word",
    [
        "اما",
        "ولی",
        "مگر",
        "البته",
        "but",
        "But",
        "لكن",
        "ولكن",
        "אבל",
        "لیکن",
        "بەڵام",
        "هرچند",
        "however",
        "«اما",
        "(ولی",
    ],
)
def test_a_clause_stays_with_one_that_limits_it(word: str) -> None:
    claim = "قیمت نفت ایران دو دلار بالا رفت"
    title = f"{claim}؛ {word} {LONG}"[:118]
    assert headlines.subject(title) == title
    assert headlines.subject(f"{claim}؛ {word}\u200cها {LONG}") == claim  # another word that begins alike


def test_a_title_without_room_for_its_denial_never_states_the_claim_alone() -> None:
    claim = "حملهٔ هوایی به تأسیسات نطنز دست‌کم ده کشته و سی زخمی بر جا گذاشت"
    denial = "استاندار اصفهان: این خبر دروغ است"
    title = f"{claim} | {denial} و هیچ حمله‌ای رخ نداده"
    assert len(title) > headlines.LONGEST_SUBJECT
    assert headlines.subject(title).startswith(f"{claim} | {denial}")
    assert headlines.subject(f"{claim} | به گفتهٔ روزنامه‌ها آتش هنوز خاموش نشده است | {denial}") == denial


def test_a_title_of_many_labels_is_shortened() -> None:
    for title in ("آ | " * 1200 + "تکذیب", "فیلم | تکذیب | " * 320, "| " * 2400, "چرا؟ | " * 686):
        assert len(title) >= 4800
        assert len(headlines.subject(title)) <= headlines.LONGEST_SUBJECT


@pytest.mark.parametrize(
    ("title", "cut"),
    [
        ("یک دو سه چهار پنج شش ۲۰۰ هزار", "یک دو سه چهار پنج شش…"),  # not after the number
        ("سخن دربارهٔ پنج کار تازه در شیراز", "سخن دربارهٔ پنج کار تازه…"),  # not after the preposition
        ("شورای شهر شیراز «با ما بمانید»", "شورای شهر شیراز…"),  # not inside the quotation
    ],
)
def test_a_cut_between_words_leaves_nothing_hanging(title: str, cut: str) -> None:
    assert headlines.words(title, 26) == cut


def test_a_headline_without_end_is_cut() -> None:
    for title in ("خبر " * 60, "خ" * 500, "🎉" * 300, "«" * 200, "۱۲ " * 90):
        subject = headlines.subject(title.strip())
        assert len(subject) <= headlines.LONGEST_SUBJECT
        assert subject.endswith("…")


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('ابپ نمی۱۲|/؛؟!+.«»()"\u200c'), max_size=200))
def test_a_subject_is_a_part_of_its_headline(title: str) -> None:
    title = " ".join(title.split())
    subject = headlines.subject(title)
    assert subject.removesuffix("…") in title
    assert len(subject) <= headlines.LONGEST_SUBJECT
    assert subject or not title
    assert len(headlines.clauses(title, 40)) <= 40


def test_real_headlines_keep_their_verbs() -> None:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: no real articles to read")
    found = data.shortened(data.titles(Path(folder)))
    assert found.titles == 3752
    assert found.shortened <= 0.12 * found.titles
    assert found.with_ellipsis <= 0.05 * found.titles
    assert found.verb_lost == []
    assert found.open_quotes == []
    assert found.not_a_part == []


def test_the_measurement_finds_lost_verbs_and_open_quotes() -> None:
    assert len(data.VERBS) == len({past for past, _ in data.VERBS}) == 60
    assert data.negated("انجام نمی‌دهیم و نیامده است؛ نیست، نمی شود") == ["نمیدهیم", "نیامده", "نیست", "نمیشود"]
    assert data.negated("نماینده نامه را خواند") == []
