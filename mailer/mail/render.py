"""Templates to mails and pages, in a sandbox.

Templates may be a newsroom's own, so they see plain values only, cannot call or change anything, and a mistake in one
is told with its file and line. What the values mean is decided in `view`; slots pass through untouched.
"""

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import css_inline
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

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
    """Renders templates by name: first from the newsroom's `folder`, then from the built-in ones.

    `language` is one of `locales.CODES`. What every template may use: the names `lang`, `dir`, `start` and `end`
    (sides), `comma`, `theme` (colours, logo, footer), the function `_`, the filters `bidi` and `digits`.
    """

    def __init__(self, folder: Path | None, builtin: Path, language: str = "fa", theme: Theme | None = None) -> None:
        loaders: list[BaseLoader] = [FileSystemLoader(each) for each in (folder, builtin) if each is not None]
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(loaders),
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
        self._environment.filters |= {"bidi": self._isolated, "digits": self.locale.number}
        # Only on the rendered result: an HTML parser hoists `{% for %}` out of tables. What a template marks
        # data-css-inline="keep" (dark mode, small screens) stays a <style>.
        self._inliner = css_inline.CSSInliner(
            keep_style_tags=False, keep_link_tags=False, load_remote_stylesheets=False, minify_css=True
        )

    def mail(self, kind: DeliveryKind, values: Values) -> Rendered:
        """The mail from `mail/<kind>.subject.txt`, `.html` and `.txt`. UnreadableInput: a template is wrong."""
        subject = clean(self._render(f"mail/{kind}.subject.txt", values), keep="\x02\x03")
        text = self._render(f"mail/{kind}.txt", values)
        try:
            html = _attributes_escaped(self._inliner.inline(self.raw(kind, values)))
        except css_inline.InlineError as error:
            raise UnreadableInput(f"mail/{kind}.html: its styles cannot be read: {error}.") from error
        text = _paragraphs(text)
        return Rendered(
            bidi.subject(subject, self.locale), _squeeze(html), bidi.plain(text) if self.locale.rtl else text
        )

    def raw(self, kind: DeliveryKind, values: Values) -> str:
        """The HTML before its styles are inlined: inlining repairs broken markup silently, so checks look here."""
        return self._render(f"mail/{kind}.html", values)

    def page(self, name: str, values: Values) -> str:
        """The page from `page/<name>.html`. UnreadableInput: the template is wrong."""
        return _squeeze(self._render(f"page/{name}.html", values))

    def stylesheet(self) -> str:
        """The style of the pages, `page/page.css`, to be served as /static/page.css."""
        return self._render("page/page.css", {})

    def names(self) -> list[str]:
        """Every template there is, the newsroom's own and the built-in ones."""
        return self._environment.list_templates()

    def check(self, name: str) -> None:
        """UnreadableInput: the template's syntax is wrong."""
        self._told(name, lambda: self._environment.get_template(name))

    def _language(self, code: str) -> Locale:
        if code == "fa":
            return locale(code, "")
        name = f"locale/{code}.po"
        source = self._told(name, lambda: self._source(name))
        try:
            return locale(code, source)
        except ValueError as error:
            raise UnreadableInput(f"{name}: {error}.") from error

    def _source(self, name: str) -> str:
        assert self._environment.loader is not None  # noqa: S101 - given above
        return self._environment.loader.get_source(self._environment, name)[0]

    def _isolated(self, text: str) -> Markup:
        return bidi.isolate(text) if self.locale.rtl else bidi.isolate_rtl(text)

    def _render(self, name: str, values: Values) -> str:
        _only_plain(values)
        return self._told(name, lambda: self._environment.get_template(name).render(values))

    def _told(self, name: str, work: Callable[[], T]) -> T:
        """What `work` gives; what goes wrong in it is told with the template's file and line."""
        try:
            return work()
        except TemplateNotFound as error:
            raise UnreadableInput(f"There is no template {error.name}.") from error
        except TemplateSyntaxError as error:
            raise UnreadableInput(f"{error.filename or name}:{error.lineno}: {error.message}.") from error
        except Exception as error:  # a newsroom's template can raise anything: a division by zero, a missing filter …
            raise UnreadableInput(f"{_place(error, name)}: {error or type(error).__name__}.") from error


def _themed(theme: Theme) -> dict[str, object]:
    """`theme` for the templates; a logo that mail programs cannot draw gives way to the name in letters."""
    return {
        **colour.palette(theme.accent),
        "logo": picture(theme.logo or ""),
        "logo_width": theme.logo_width,
        "footer": clean(theme.footer),
    }


def _place(error: Exception, name: str) -> str:
    """File and line of the innermost template frame; Jinja writes templates into the traceback as if they were code."""
    suffix = Path(name).suffix
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).suffix == suffix]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else name


def _only_plain(value: object) -> None:
    """A template must not reach objects of ours, nor text that claims to be escaped already."""
    if isinstance(value, Mapping):
        for each in value.values():
            _only_plain(each)
    elif type(value) in (list, tuple):
        for each in value:  # type: ignore[attr-defined]
            _only_plain(each)
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"templates take plain values, not {type(value).__name__}")


_TAG = re.compile(r'<!--.*?-->|<[A-Za-z][^\s/>]*(?:\s+[^\s=>]+="[^"]*")*\s*/?>', re.DOTALL)


def _attributes_escaped(html: str) -> str:
    """The inliner leaves < and > in attributes as they are. Allowed, but a picture's words could then hold a comment's
    beginning, and simpler readers than a browser, our own archive among them, would take it for one."""

    def tag(found: re.Match[str]) -> str:
        if found[0].startswith("<!--"):
            return found[0]
        return re.sub('"[^"]*"', lambda value: value[0].replace("<", "&lt;").replace(">", "&gt;"), found[0])

    return _TAG.sub(tag, html)


def _squeeze(html: str) -> str:
    """Without indentation and empty lines. Minifiers would also drop Outlook's conditional comments."""
    return re.sub(r"\n\s+", "\n", html).strip() + "\n"


def _paragraphs(text: str) -> str:
    """At most one empty line in a row, none at the ends."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


# --- size ------------------------------------------------------------------------------------------------------------
# How large a mail may be, and what is left out of a larger one.
HTML_BYTES = 90_000  # encoded; Gmail cuts at about 102 kB, and a reader's own values still come in
MAIL_BYTES = 150_000  # both parts and the headers
_HEADERS = 4_000  # what headers and the marks between the parts take at most


def encoded(part: str) -> int:
    """The bytes of a part in base64 with its line ends, as it goes out."""
    whole = len(part.encode()) + part.count("\n")  # line ends become CRLF
    letters = -(-whole // 3) * 4
    return letters + -(-letters // 76) * 2


def fits(mail: Rendered) -> bool:
    return encoded(mail.html) <= HTML_BYTES and encoded(mail.html) + encoded(mail.text) + _HEADERS <= MAIL_BYTES


def fitted(stories: tuple[ChosenStory, ...], render: Callable[[tuple[ChosenStory, ...]], Rendered]) -> Rendered:
    """The mail of these stories, made to fit: from the last story up first everything but the headline goes, then the
    story itself. The first story and what stands around the stories always stay.
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
