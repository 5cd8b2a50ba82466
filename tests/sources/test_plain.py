"""Any markup becomes plain text."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.sources import plain


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("باران <b>شدید</b>", "باران شدید"),
        ("باران &#8211; برف", "باران – برف"),
        ("باران &amp;#8211; برف", "باران – برف"),
        ("&lt;b&gt;باران&lt;/b&gt;", "باران"),
        ("&amp;lt;b&amp;gt;باران&amp;lt;/b&amp;gt;", "باران"),
        ("شرکت R&D و AT&T", "شرکت R&D و AT&T"),
        ("۲ < ۳ و ۵ > ۴", "۲ < ۳ و ۵ > ۴"),
        ("<script>alert(1)</script>باران<style>p{}</style>", "باران"),
        ("باران\r\nBcc: x@example.org", "باران Bcc: x@example.org"),
        ("باران\u2028برف\u2029تگرگ\x85مه", "باران برف تگرگ مه"),
        ("\u202eناراب\u202c \u2067x\u2069\u200f\ufeff", "ناراب x"),
        ("می\u200cشود", "می\u200cشود"),
        ("باران\x00\x1b[31m", "باران[31m"),
        ("=?utf-8?b?QmNjOiB4?=", "=?utf-8?b?QmNjOiB4?="),  # words like any others; the mail's encoder deals with them
        ("باران\ud800", "باران"),
        ("\u00a0 باران \t", "باران"),
        ("<p>", ""),
        # words in angle brackets that are not markup
        ("آموزش <video> در HTML5", "آموزش <video> در HTML5"),
        ("آموزش &lt;video&gt; در HTML5", "آموزش <video> در HTML5"),
        ("آموزش &amp;lt;video&amp;gt;", "آموزش <video>"),
        ("کلاس List<String> در جاوا", "کلاس List<String> در جاوا"),
        ("Map<String, List<Integer>> چیست", "Map<String, List<Integer>> چیست"),
        ("اگر x<y و z>w باشد", "اگر x<y و z>w باشد"),
        ("a <b and c> d", "a <b and c> d"),
        ("نشانی <http://news.example>", "نشانی <http://news.example>"),
        ("تگ <div> و <span>", "تگ <div> و <span>"),
        # … and those that are
        ("<font color=red>باران</font>", "باران"),
        ('<a href="x"title="y">باران</a> <o:p></o:p>', "باران"),
        ("باران<br>برف<BR/>تگرگ", "باران برف تگرگ"),
        ("<p>باران</p><p>برف</p>", "باران برف"),
        ("<!-- نه --><?xml:namespace prefix = o />باران", "باران"),
        # entities
        ("?id=1&section=2&copy=3", "?id=1&section=2&copy=3"),
        ("S&P500 & ۵ &nbsp باران", "S&P500 & ۵ باران"),
        ("&copy; &reg &unknown; &", "© ® &unknown; &"),
        ("اپل &amp;amp; گوگل", "اپل & گوگل"),
    ],
)
def test_line(markup: str, expected: str) -> None:
    assert plain.line(markup) == expected


def test_paragraphs() -> None:
    markup = "<h2>باران</h2><p>یک\nدو</p><p>سه<br/>چهار</p><figure><figcaption>عکس</figcaption></figure>"
    assert plain.paragraphs(markup) == "باران\nیک دو\nسه\nچهار"
    assert plain.paragraphs("یک\n\n دو \n") == "یک\nدو"


def test_very_deeply_nested_markup_neither_hangs_nor_crashes() -> None:
    assert plain.line("<div>" * 50_000 + "باران") == "باران"
    assert plain.line("<div>" * 50_000 + "باران" + "</div>" * 50_000) == "باران"
    assert plain.paragraphs("<p " * 50_000 + "باران").endswith("باران")
    assert plain.line("&amp;" * 3 + "amp;" * 50_000).startswith("&")


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        ("به گزارش تابش، باران بارید.", "باران بارید."),
        ("به گزارش خبرنگار تابش؛ باران بارید.", "باران بارید."),
        ("تابش - باران بارید.", "باران بارید."),
        ("خبرگزاری تابش: باران بارید.", "باران بارید."),
        # naming another outlet is an attribution and stays, and so do words that are merely part of the feed's title
        ("به گزارش مهتاب، باران بارید.", "به گزارش مهتاب، باران بارید."),
        ("به گزارش تابش به نقل از مهتاب، باران بارید.", "به گزارش تابش به نقل از مهتاب، باران بارید."),
        ("ایران، عراق و ترکیه باران داشتند.", "ایران، عراق و ترکیه باران داشتند."),
        ("باران - برف", "باران - برف"),
        ("تابش - ", "تابش -"),
        ("باران بارید. نوشته باران بارید اولین بار در تابش پدیدار شد.", "باران بارید."),
        ("Rain. The post Rain appeared first on Tabesh.", "Rain."),
        ("باران بارید و [&#8230;]", "باران بارید و"),
        # one blank for each block
        ("<h3>باران</h3>برف<br/>تگرگ<ul><li>الف</li><li>ب</li></ul>", "باران برف تگرگ الف ب"),
        ("<table><tr><td>باران</td><td>برف</td></tr></table>", "باران برف"),
        ("<div>باران</div><section>برف</section><b>ت</b>گرگ", "باران برف تگرگ"),
        # «read more»
        ('باران بارید… <a class="more-link" href="x">هر چه <span>«باران»</span></a>', "باران بارید…"),
        ("باران بارید. <a href='x'>ادامهٔ مطلب</a>", "باران بارید."),
        ("باران بارید. <a href='x'>برای خواندن ادامه مطلب کلیک کنید</a>", "باران بارید."),
        ("Rain. <a href='x'>Read More &raquo;</a>", "Rain."),
        ("Rain. <a href='x'>Continue reading <span>“Rain”</span> &rarr;</a>", "Rain."),
        ("أمطار غزيرة. <a href='x'>اقرأ المزيد</a>", "أمطار غزيرة."),
        ("Rain. <a href='x'>(more&hellip;)</a>", "Rain."),
        ("Rain. <a href='x'>Click here to read the full story</a>", "Rain."),
        ("باران بارید. <a href='x'>جزئیات بیشتر</a>", "باران بارید."),
        ("باران بارید. <a href='x'>مشاهده بیشتر »</a>", "باران بارید."),
        ("باران بارید... ادامه مطلب", "باران بارید..."),
        ("Rain falls [Read more…]", "Rain falls"),
        ("باران بارید… ادامه", "باران بارید…"),
        ("باران بارید [ادامه خبر]", "باران بارید"),
        ("أمطار غزيرة متابعة القراءة «أمطار»", "أمطار غزيرة"),
        ("او <a href='x'>بیشتر مردم</a> را دید.", "او بیشتر مردم را دید."),
        ("گفت: <a href='x'>More than rain</a>", "گفت: More than rain"),
        # shortcodes
        ('[vc_row][vc_column width="1/2"]باران بارید.[/vc_column][/vc_row]', "باران بارید."),
        ("[et_pb_text admin_label=&#8221;x&#8221;]باران بارید.[/et_pb_text]", "باران بارید."),
        ('[caption id="a" width="6"]<img src="x"/> عکس[/caption] باران بارید.', "باران بارید."),
        ("[embed]https://tv.example/1[/embed]باران بارید.", "باران بارید."),
        ('[gallery ids="1,2"]باران بارید. [my_box style="red"]برف[/my_box]', "باران بارید. برف"),
        ("[vc_row]باران بارید.[/vc_row]]>", "باران بارید."),
        ("[contact_form][wpdatatable id=1] باران [mc4wp_form id='3']بارید.", "باران بارید."),
        ("[the co-founder] [self-made] [x = 5] [IMG_1] باران", "[the co-founder] [self-made] [x = 5] [IMG_1] باران"),
        ("باران [۱] بارید [sic]. [Reuters]", "باران [۱] بارید [sic]. [Reuters]"),
    ],
)
def test_lead(lead: str, expected: str) -> None:
    assert plain.lead(lead, "سایت خبری تحلیلی تابش | اخبار ایران و جهان") == expected


def test_an_opening_is_made_of_whole_sentences() -> None:
    sentence = "باران از بامداد امروز در استان‌های شمالی آغاز شد و تا شب ادامه دارد."
    body = "\n".join(["عکس: تابش", f"{sentence} {sentence}", sentence, sentence, sentence, sentence])
    opening = plain.opening(body)
    assert opening.startswith(sentence)
    assert opening.endswith(".")
    assert len(sentence) < len(opening) <= 320
    assert plain.opening("کوتاه") == ""
    assert plain.opening("باران " * 200).endswith("باران…")


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_can_control_a_terminal_a_header_or_the_direction(text: str) -> None:
    line = plain.line(text)
    assert line == line.strip()
    assert line.splitlines() in ([line], [])
    assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [char for char in line if unicodedata.category(char) == "Cf" and char not in "\u200c\u200d"]
    line.encode("utf-8")
