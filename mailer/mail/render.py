"""Renders mails and pages from templates, in a sandbox.

A newsroom may edit the templates. Therefore templates get only plain values and cannot use or change objects of the
program, and an error shows the file and line of the template. `view` makes the values. Placeholders are not changed.
"""

import re
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import TypeVar

import css_inline
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailer.errors import UnreadableInput
from mailer.mail import bidi, colour
from mailer.model import ChosenStory, DeliveryKind, Rendered
from mailer.settings import Theme
from mailer.text.clean import clean
from mailer.text.links import picture
from mailer.text.locales import Locale, locale

Values = Mapping[str, object]
T = TypeVar("T")


class Renderer:
    """Renders templates by name. A template in the newsroom's `folder` replaces the built-in template of the same name.

    `language` is one of `locales.CODES`. Every template may use the names `lang`, `dir`, `start` and `end` (`left` or
    `right`), `comma` and `theme` (colours, logo, footer), the function `_`, which translates a text, and the filters
    `bidi` and `digits`.
    """

    def __init__(self, folder: Path | None, builtin: Path, language: str = "fa", theme: Theme | None = None) -> None:
        self._builtin = FileSystemLoader(builtin)
        self._loader = ChoiceLoader([*([FileSystemLoader(folder)] if folder else []), self._builtin])
        self._environment = ImmutableSandboxedEnvironment(
            loader=self._loader,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.locale = self._language(language)
        self._environment.globals.clear()
        self._environment.globals |= {
            "lang": self.locale.code,
            "dir": self.locale.direction,
            "start": self.locale.start,
            "end": self.locale.end,
            "comma": self.locale.comma,
            "theme": _themed(theme or Theme()),
            "_": self.locale.say,
        }
        isolated = bidi.isolate if self.locale.rtl else bidi.isolate_rtl
        self._environment.filters |= {"bidi": isolated, "digits": self.locale.number}
        # The inliner gets rendered HTML, not templates, because its HTML parser would move `{% for %}` out of tables.
        # Styles marked data-css-inline="keep" (dark mode, small screens) stay in <style>.
        self._inliner = css_inline.CSSInliner(
            keep_style_tags=False, keep_link_tags=False, load_remote_stylesheets=False, minify_css=True
        )

    def mail(self, kind: DeliveryKind, values: Values) -> Rendered:
        """Renders one mail from `mail/<kind>.subject.txt`, `mail/<kind>.html` and `mail/<kind>.txt`.

        Raises UnreadableInput if a template is wrong.
        """
        subject = clean(self._render(f"mail/{kind}.subject.txt", values), keep="\x02\x03")
        text = _wrapped(_paragraphs(self._render(f"mail/{kind}.txt", values)))
        try:
            html = _attributes_escaped(self._inliner.inline(self.raw(kind, values)))
        except css_inline.InlineError as error:
            raise UnreadableInput(f"mail/{kind}.html: its styles cannot be read: {error}.") from error
        text = bidi.plain(text) if self.locale.rtl else text
        return Rendered(bidi.subject(subject, self.locale), _squeeze(html), text)

    def raw(self, kind: DeliveryKind, values: Values) -> str:
        """Returns the HTML of a mail before its styles are inlined.

        The template checks need this HTML, because inlining silently repairs broken markup.
        """
        return self._render(f"mail/{kind}.html", values)

    def page(self, name: str, values: Values) -> str:
        """Renders `page/<name>.html`. Raises UnreadableInput if the template is wrong."""
        return _squeeze(self._render(f"page/{name}.html", values))

    def share(self, values: Values) -> str:
        """Renders `mail/_share.html`, which the archive puts into the page of an issue, with its styles inlined."""
        return self._inliner.inline_fragment(
            self._render("mail/_share.html", values), self._render("mail/mail.css", {})
        ).strip()

    def stylesheet(self) -> str:
        """Returns the style sheet of the pages, `page/page.css`, which is served as /static/page.css."""
        return self._render("page/page.css", {})

    def names(self) -> list[str]:
        """Returns the names of all templates, the newsroom's own and the built-in ones."""
        return self._environment.list_templates()

    def check(self, name: str) -> None:
        """Raises UnreadableInput if the syntax of the template is wrong."""
        self._located(name, lambda: self._environment.get_template(name))

    def _language(self, code: str) -> Locale:
        if code == "fa":
            return locale(code)
        name = f"locale/{code}.po"
        # Also use the built-in catalogue, because a newsroom's copy may be older than the program and lack new texts.
        sources = [self._located(name, lambda: self._loader.get_source(self._environment, name)[0])]
        with suppress(TemplateNotFound):
            sources.append(self._builtin.get_source(self._environment, name)[0])
        try:
            return locale(code, *dict.fromkeys(sources))
        except ValueError as error:
            raise UnreadableInput(f"{name}: {error}.") from error

    def _render(self, name: str, values: Values) -> str:
        _only_plain(values)
        return self._located(name, lambda: self._environment.get_template(name).render(values))

    def _located(self, name: str, use_template: Callable[[], T]) -> T:
        """Returns the result of `use_template`. Errors become UnreadableInput with the template's file and line."""
        try:
            return use_template()
        except TemplateNotFound as error:
            raise UnreadableInput(f"There is no template {error.name}.") from error
        except TemplateSyntaxError as error:
            raise UnreadableInput(f"{error.filename or name}:{error.lineno}: {error.message}.") from error
        except Exception as error:  # a newsroom's template can raise anything: a division by zero, a missing filter …
            raise UnreadableInput(f"{_place(error, name)}: {error or type(error).__name__}.") from error


def _themed(theme: Theme) -> dict[str, object]:
    """Returns the theme as plain values for the templates.

    `logo` is empty if mail programs cannot show this kind of picture. Templates then show the newsroom's name.
    """
    return {
        **colour.palette(theme.accent),
        "logo": picture(theme.logo or ""),
        "logo_width": theme.logo_width,
        "footer": clean(theme.footer),
    }


def _place(error: Exception, name: str) -> str:
    """Returns the file and line of the innermost template in the error's traceback, or `name` if there is no template.

    Jinja adds templates to a traceback as if they were Python files.
    """
    suffix = Path(name).suffix
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).suffix == suffix]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else name


def _only_plain(value: object) -> None:
    """Raises TypeError if a value is not plain. Templates must not get objects of the program or unescaped Markup."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if type(value) in (list, tuple):
        for each in value:  # type: ignore[attr-defined]
            _only_plain(each)
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"templates take plain values, not {type(value).__name__}")


_TAG = re.compile(r'<!--.*?-->|<[A-Za-z][^\s/>]*(?:\s+[^\s=>]+="[^"]*")*\s*/?>', re.DOTALL)


def _attributes_escaped(html: str) -> str:
    """Escapes < and > in the values of attributes, because the inliner does not escape them.

    HTML allows < and > in attributes. However, an alt text could contain `<!--`, and parsers simpler than that of a
    browser, such as the parser in `issues.archive`, would treat this as the start of a comment.
    """

    def tag(found: re.Match[str]) -> str:
        if found[0].startswith("<!--"):
            return found[0]
        return re.sub('"[^"]*"', lambda value: value[0].replace("<", "&lt;").replace(">", "&gt;"), found[0])

    return _TAG.sub(tag, html)


def _squeeze(html: str) -> str:
    """Removes indentation and empty lines. A real minifier would also remove Outlook's conditional comments."""
    return re.sub(r"\n\s+", "\n", html).strip() + "\n"


def _wrapped(text: str) -> str:
    """Breaks long lines of a text part between words. Web addresses stay whole."""
    return "".join(
        f"{part}\n"
        for line in text.removesuffix("\n").split("\n")
        for part in wrap(line, TEXT_LINE, break_long_words="://" not in line, break_on_hyphens=False) or [""]
    )


def _paragraphs(text: str) -> str:
    """Reduces consecutive empty lines to one, and removes blanks at line ends and empty lines at the start and end."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<![ \t])[ \t]+\n", "\n", text)).strip() + "\n"


# --- size ------------------------------------------------------------------------------------------------------------
# Maximum size of the encoded HTML part, in bytes. Gmail cuts at about 102 kB, and each reader's values are added later.
HTML_BYTES = 90_000
TEXT_LINE = 100  # maximum number of characters of a line of the text part; a web address may be longer
MAIL_BYTES = 150_000  # maximum number of bytes of a mail: both parts, encoded, and the headers
_HEADERS = 4_000  # maximum number of bytes of the headers and the boundary lines


def encoded(part: str) -> int:
    """Returns the number of bytes of a part that is encoded as base64, including line ends."""
    whole = len(part.encode()) + part.count("\n")  # line ends become CRLF
    characters = -(-whole // 3) * 4
    return characters + -(-characters // 76) * 2


def fits(mail: Rendered) -> bool:
    return encoded(mail.html) <= HTML_BYTES and encoded(mail.html) + encoded(mail.text) + _HEADERS <= MAIL_BYTES


def fitted(stories: tuple[ChosenStory, ...], render: Callable[[tuple[ChosenStory, ...]], Rendered]) -> Rendered:
    """Renders the stories, and shortens the mail until it fits.

    First, stories are reduced to their headlines, one after another, beginning with the last. If the mail is still too
    large, the last stories are left out. The first story is never shortened.
    """
    stories = tuple(sorted(stories, key=lambda story: story.position))
    mail = render(stories)
    for last in range(len(stories) - 1, 0, -1):
        if fits(mail):
            return mail
        bare = replace(stories[last], lead="", also=(), image_url="")
        stories = (*stories[:last], bare, *stories[last + 1 :])
        mail = render(stories)
    while len(stories) > 1 and not fits(mail):
        stories = stories[:-1]
        mail = render(stories)
    return mail
