"""What mail programs do to a mail before they show it, as far as caniemail and their own documentation tell.

Simulations, not the programs: none of these was seen in a real Gmail or Outlook.
"""

import re
from collections.abc import Callable, Mapping

from mailer.mail.template_check.markup import as_word_sees_it

# A webmail's own page is English and left to right; the mail must stand on its own feet in it.
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
    """Gmail's apps with an account of another provider: no <style>, no class, no html, head or body."""
    return _HOST.format(f"<div>{_without(_body(html), 'class')}</div>")


def gmail(html: str) -> str:
    """Gmail: <style> without dark colours, @font-face and attribute selectors; body becomes a div."""
    visible = re.sub(r"<!--\[if mso\]>.*?<!\[endif\]-->", "", html, flags=re.DOTALL)
    css = "".join(re.findall(r"<style[^>]*>(.*?)</style>", visible, re.DOTALL))
    css = re.sub(r"@media \(prefers-color-scheme:dark\)\{.*?\n\}", "", css, flags=re.DOTALL)
    css = re.sub(r"@font-face\{[^}]*\}|(?m:^\[data-ogsc\].*$)|:root\{[^}]*\}", "", css)
    return _HOST.format(f"<style>{css}</style><div>{_body(html)}</div>")


def yahoo(html: str) -> str:
    """Yahoo: no aria-*, role on tables only, height becomes min-height."""
    body = _without(_body(html), "aria-[a-z]+")
    body = re.sub(r'(<(?!table)[a-z0-9]+[^>]*?)\srole="[^"]*"', r"\1", body)
    body = re.sub(r'([;"])height:', r"\1min-height:", body)
    return _HOST.format(f"<div>{body}</div>")


def orange(html: str) -> str:
    """Orange: no dir on tables and cells; direction must come from the wrapper."""
    return _HOST.format(_without(_body(html), "dir", tags="table|tbody|tr|td"))


def word(html: str) -> str:
    """Outlook's conditional comments carried out, max-width and border-radius unknown. Not Word's layout engine."""
    return re.sub(r"(?:max-width|border-radius):[^;\"]*;?", "", as_word_sees_it(html))


SANITISERS: Mapping[str, Callable[[str], str]] = {
    "gmail without style": gmail_without_style,
    "gmail": gmail,
    "yahoo": yahoo,
    "orange": orange,
    "word": word,
}
