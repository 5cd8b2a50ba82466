"""The public page of an issue, from the very HTML that was mailed.

Cuts what belongs to one reader; renders nothing anew, so mail and archive cannot differ. Does not decide who may
see it.
"""

import re

from mailer.mail import slots, view
from mailer.text.locales import FA, Locale

_READER = re.compile(r"<!--reader-->.*?<!--/reader-->", re.DOTALL)


def public(html: str, locale: Locale = FA, base_url: str = "") -> str:
    """The frozen HTML without any reader's part: no slot, so no token, is left. Pictures under `base_url`, our own, are
    named from the page `/archive/SLOT`, so that they are seen by whatever name somebody reaches our pages.

    ValueError: a mark is unpaired, or a slot other than the greeting stands outside the marks.
    """
    cut = _READER.sub("", html)
    if "<!--reader-->" in cut or "<!--/reader-->" in cut:
        raise ValueError("a <!--reader--> mark of the template has no partner")
    if base_url:
        cut = cut.replace(f' src="{base_url}/media/', ' src="../media/')
    return slots.fill(cut, {"greeting": view.greeting("", locale)}, "html")
