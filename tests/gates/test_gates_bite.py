"""The gates work: each of these faults, put one at a time into a good mail, is found by one of them."""

import re
from collections.abc import Callable, Mapping

import gates_browser
import gates_sanitisers as sanitisers
import pytest
from playwright.sync_api import Browser

from mailer.mail.template_check import rules, sample_issues
from mailer.mail.template_check.trial import Trial

Fault = Callable[[str], str]


def put(old: str, new: str, times: int = 1) -> Fault:
    return lambda html: html.replace(old, new, times)


def sub(pattern: str, new: str) -> Fault:
    return lambda html: re.sub(pattern, new, html, count=1, flags=re.DOTALL)


FAULTS: Mapping[str, Fault] = {
    "html without lang": put('<html lang="fa"', "<html"),
    "body without dir": sub(r'(<body[^>]*) dir="rtl"', r"\1"),
    "wrapper without lang": sub(r'(<div[^>]*aria-label="[^"]*"[^>]*) lang="fa"', r"\1"),
    "wrapper without dir": sub(r'(<div[^>]*aria-label="[^"]*"[^>]*) dir="rtl"', r"\1"),
    "wrapper without direction in its style": put("direction:rtl;", ""),
    "wrapper without a label": sub(r' aria-label="[^"]*"', ""),
    "table without role": sub(r'<table role="presentation"', "<table"),
    "table without dir": sub(r'(<table role="presentation") dir="rtl"', r"\1"),
    "table with gaps": put('cellpadding="0"', 'cellpadding="4"'),
    "Word's table without role": put('<!--[if mso]><table role="presentation"', "<!--[if mso]><table"),
    "Word's table is not closed": put("<!--[if mso]></td></tr></table><![endif]-->", ""),
    "picture without alt": sub(r'(<img [^>]*?) alt="[^"]*"', r"\1"),
    "linked picture with empty alt": sub(r'(<img [^>]*? alt=)"[^"]*"', r'\1""'),
    "headline again as alt text": sub(
        r'(<img [^>]*? alt=)"[^"]*"(.*?<h3[^>]*><a[^>]*>)([^<]*)', r'\1"عکس خبر: \3"\2\3'
    ),
    "picture without width": sub(r'(<img [^>]*?) width="\d+"', r"\1"),
    "webp picture": put(".jpg", ".webp"),
    "heading left out": lambda html: re.sub(r"(</?)h2", r"\1h3", html),
    "two h1": sub(r"<h2([^>]*)>(.*?)</h2>", r"<h1\1>\2</h1>"),
    "relative link": put('href="https://www.irannemoone.example/news/818301', 'href="/news/818301'),
    "script link": sub(r'href="https://www[^"]*"', 'href="javascript:alert(1)"'),
    "dir on a link": put("<a ", '<a dir="rtl" '),
    "vague link": put("متن کامل خبر", "اینجا"),
    "link without words": sub(r'(<a class="press"[^>]*>)[^<]*', r"\1"),
    "Arabic yeh": put("ی", "ي"),
    "half-spaces lost": put("\u200c", " ", 99),
    "Latin digits": put("شمارهٔ ۴۷", "شمارهٔ 47"),
    "RLO in the text": put("شورای", "\u202eشورای"),
    "C1 control": put("شورای", "\x85شورای"),
    "template leftover": put("</h1>", "{{ brand }}</h1>"),
    "None": put("</h1>", "None</h1>"),
    "preheader shown": put("display:none;", ""),
    "preheader coloured": put("mso-hide:all", "mso-hide:all;color:#fffefb"),
    "preheader too short": sub(r'(<div class="pre"[^>]*>)[^<]*', r"\1خبر"),
    "no way to leave": lambda html: re.sub(r"<a [^>]*unsubscribe[^>]*>[^<]*</a>", "", html),
    "flex": put("text-align:right", "display:flex;text-align:right"),
    "modern rgb()": put("color:#15211e", "color:rgb(0 0 0 / .8)"),
    "logical margin": put("padding-left:16px", "padding-inline-end:16px"),
    "unclosed paragraph": sub(r"</p>", ""),
    "text in a table": sub(r'(<table [^>]*class="wrap"[^>]*>)', r"\1 سلام"),
    "two ids": put("<p ", '<p id="x" ', 2),
    "oversize": put("</h1>", "</h1><p>" + "خبر " * 12_000 + "</p>"),
    "too much style": put("<style", "<style>" + ".a{color:#000}" * 600 + "</style><style"),
    "no colours for the dark": sub(r"@media \(prefers-color-scheme:dark\)\{.*?\n\}", ""),
    "script": put("</h1>", "</h1><script>1</script>"),
    "event handler": put("<p ", '<p onclick="x()" '),
    "left alignment": put("text-align:right", "text-align:left", 9),
    "ten pixel text": put("font-size:13px", "font-size:10px", 9),
    "small leads": put("font-size:16px;line-height:29px", "font-size:14px;line-height:29px", 99),
    "tap area smaller than the button": sub(r'(<a class="press"[^>]*?)display:block', r"\1display:inline"),
    "low button": sub(r'(<a class="press"[^>]*?)padding:11px 26px', r"\1padding:4px 26px"),
    "button with padding on its cell": put("mso-padding-alt:11px 26px", "padding:11px 26px"),
    "low footer link": sub(r'(<a class="exit"[^>]*?)display:inline-block;padding:4px 6px', r"\1"),
    "dot beside Persian digits": put("شمارهٔ ۴۷، پنجشنبه", "شمارهٔ ۴۷ · پنجشنبه"),
    "left-to-right handle": put("شورای شهر شیراز", "@tabnak_ir شورای شهر شیراز", 9),
    "sign on the wrong side": put("شورای شهر شیراز", "دلار (-۲٫۳٪) شورای شهر شیراز", 9),
    "fixed 700 pixels": put("max-width:600px", "width:700px"),
    "low contrast": put("color:#414b47", "color:#b8b8b8", 99),
    "low contrast in the dark": put(".intro,.lead{color:#d0d8d4!important}", ".intro,.lead{color:#414b47!important}"),
    "dark colours forgotten": put(".intro,.lead{color:#d0d8d4!important}", ""),
}


def test_every_seeded_fault_is_found(
    browser: Browser, tried: Callable[..., Trial], report: Callable[[str], None]
) -> None:
    good = tried()
    missed = []
    assert len(FAULTS) >= 33
    for name, fault in FAULTS.items():
        html = fault(good.html)
        assert html != good.html, f"«{name}» changes nothing"
        found = sorted({finding.rule for finding in rules.mail(html, good.text, raw=html)})
        by = "checks"
        if not found:  # the browser is slow, so the rules that need none come first
            by = "browser"
            for scheme in ("light", "dark"):
                found += gates_browser.look(browser, html, 375, scheme=scheme).faults
        report(f"{'MISSED' if not found else 'found '} {name:38} by {by}: {', '.join(found)[:90]}")
        missed += [] if found else [name]
    report(f"seeded {len(FAULTS)}, missed {len(missed)}")
    assert not missed


# Faults that appear only after a mail program has removed something, or in a narrow window.
TAKEN_AWAY: Mapping[str, tuple[Fault, Callable[[str], str]]] = {
    "alignment by <style> only": (
        sub(r'(<p class="intro" style="[^"]*)text-align:right;?', r"\1text-align:left;"),
        sanitisers.gmail_without_style,
    ),
    "size of letters by <style> only": (
        lambda html: html.replace("font-size:16px", "font-size:11px").replace(
            "</style>", ".lead,.intro{font-size:16px!important}</style>", 1
        ),
        sanitisers.gmail_without_style,
    ),
    "direction of tables only": (
        lambda html: re.sub(r'(<(?:html|body|div)[^>]*) dir="rtl"', r"\1", html).replace("direction:rtl;", ""),
        sanitisers.orange,
    ),
    "a table too wide for a phone": (put("max-width:600px", "width:700px"), sanitisers.yahoo),
}


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_faults_that_only_a_sanitiser_reveals_are_found(
    browser: Browser, tried: Callable[..., Trial], name: str
) -> None:
    fault, sanitise = TAKEN_AWAY[name]
    html = fault(tried().html)
    assert html != tried().html
    assert gates_browser.look(browser, sanitise(html), 320, axe=False).faults


def test_a_portrait_above_the_headline_is_found(browser: Browser, tried: Callable[..., Trial]) -> None:
    good, portrait = tried().html, gates_browser.photo(720, 1280)
    high = re.sub(r"max-height:[1-9]\d*px(?:!important)?;?", "", good)
    assert "a hero picture that is too high" in gates_browser.look(browser, high, 375, axe=False, picture=portrait).bad
    found = re.search(r'<div class="figure".*?</div>', high, re.DOTALL)
    assert found
    above = high.replace(found[0], "").replace('<p class="kick"', found[0] + '<p class="kick"', 1)
    assert gates_browser.first_headline(browser, good, portrait) <= 420
    assert gates_browser.first_headline(browser, above, portrait) > 667


def test_missing_alt_texts_are_found(browser: Browser, tried: Callable[..., Trial]) -> None:
    html = re.sub(r' alt="[^"]*"', ' alt=""', tried().html)
    assert gates_browser.look(browser, html, 375, images=False, axe=False).bad


@pytest.mark.parametrize("letter", [each for each in sample_issues.SERVICE_MAILS if each != "test"])
def test_faults_are_found_in_every_kind_of_mail(
    tried: Callable[..., Trial], report: Callable[[str], None], letter: str
) -> None:
    """The rules find the same faults in the other mails as in an issue."""
    issue, good = tried(), tried(letter)
    seeded = 0
    for name, fault in FAULTS.items():
        html = fault(good.html)
        if html == good.html or not rules.mail(fault(issue.html), issue.text, raw=fault(issue.html)):
            continue  # this mail has no such part, or the fault needs a browser
        seeded += 1
        assert rules.mail(html, good.text, raw=html), name
    report(f"{letter}: seeded {seeded}, missed 0")
    assert seeded >= 30
