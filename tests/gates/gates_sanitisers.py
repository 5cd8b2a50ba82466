"""Simulates what mail programs do to a mail before they show it, according to caniemail and their documentation.

None of this was checked in a real Gmail or Outlook.
"""

import re
from collections.abc import Callable, Mapping

from mailer.mail.template_check.markup import as_word_sees_it

# A webmail's own page is English and left to right; the mail must not depend on it.
_HOST = (
    '<!DOCTYPE html><html lang="en" dir="ltr"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>Inbox</title></head>'
    '<body style="margin:0;font-family:Arial">{}</body></html>'
)


def _body(html: str) -> str:
    found = re.search(r"<body[^>]*>(.*)</body>", html, re.DOTALL)
    assert found
    return re.sub(r"<!--.*?-->", "", found[1], flags=re.DOTALL)


def _without(html: str, *attributes: str, tags: str = "[a-z0-9]+") -> str:
    for name in attributes:
        html = re.sub(rf'(<(?:{tags})\b[^>]*?)\s{name}="[^"]*"', r"\1", html)
    return html


def gmail_without_style(html: str) -> str:
    """Simulates Gmail's apps with another provider's account: no <style>, class, html, head or body."""
    return _HOST.format(f"<div>{_without(_body(html), 'class')}</div>")


def gmail(html: str) -> str:
    """Simulates Gmail: <style> without dark mode, @font-face and attribute selectors; body becomes a div."""
    visible = re.sub(r"<!--\[if mso\]>.*?<!\[endif\]-->", "", html, flags=re.DOTALL)
    css = "".join(re.findall(r"<style[^>]*>(.*?)</style>", visible, re.DOTALL))
    css = re.sub(r"@media \(prefers-color-scheme:dark\)\{.*?\n\}", "", css, flags=re.DOTALL)
    css = re.sub(r"@font-face\{[^}]*\}|(?m:^\[data-ogsc\].*$)|:root\{[^}]*\}", "", css)
    return _HOST.format(f"<style>{css}</style><div>{_body(html)}</div>")


def yahoo(html: str) -> str:
    """Simulates Yahoo: no aria-*, role only on tables, height becomes min-height."""
    body = _without(_body(html), "aria-[a-z]+")
    body = re.sub(r'(<(?!table)[a-z0-9]+[^>]*?)\srole="[^"]*"', r"\1", body)
    body = re.sub(r'([;"])height:', r"\1min-height:", body)
    return _HOST.format(f"<div>{body}</div>")


def orange(html: str) -> str:
    """Simulates Orange: no dir on tables and cells, so the direction must come from the wrapper."""
    return _HOST.format(_without(_body(html), "dir", tags="table|tbody|tr|td"))


def word(html: str) -> str:
    """Simulates Outlook: conditional comments, no max-width, max-height or border-radius; but not Word's layout engine.

    The width of a picture is that of its attribute, whatever `width: auto` says.
    """
    ignored = r"(?:max-(?:width|height)|border-radius):[^;\"]*;?|(?<![\w-])width: ?auto;?"
    return re.sub(ignored, "", as_word_sees_it(html))


SANITISERS: Mapping[str, Callable[[str], str]] = {
    "gmail without style": gmail_without_style,
    "gmail": gmail,
    "yahoo": yahoo,
    "orange": orange,
    "word": word,
}
