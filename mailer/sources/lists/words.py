"""Understands what other systems write about a person: status words, yes and no, and dates.

The words are compared by `search_key.bare_key`, so case, punctuation, accents, Arabic letters and half-spaces do not
matter. docs/lists.md lists the systems from which the words come.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from mailer.model import SubscriberStatus
from mailer.text import dates
from mailer.text.search_key import bare_key

_ACTIVE, _PENDING = SubscriberStatus.ACTIVE, SubscriberStatus.PENDING
_LEFT, _BOUNCED, _COMPLAINED = SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED

_YES = (
    "yes|y|true|t|1|on|x|checked|بله|بلی|آری|هست|نعم|ja|oui|sí|sim|evet|да|כן|erê|belê|بەڵێ|جی ہاں|ہاں|bale"
    "|baleh|areh"
    "|vrai|wahr|verdadero|verdadeiro|vero|doğru|истина|waar"
)
_NO = (
    "no|n|false|f|0|off|unchecked|خیر|نه|نیست|لا|nein|non|não|hayır|нет|nee|לא|نەخێر|نا|نہیں|جی نہیں|kheyr|kheir|na"
    "|faux|falsch|falso|yanlış|ложь|onwaar"
)
YES = frozenset(map(bare_key, _YES.split("|"))) | {"✓", "✔", "☑", "✅"}
NO = frozenset(map(bare_key, _NO.split("|"))) | {"✗", "✘", "☐", "❌", "✖"}
_EMOJI_FORM = "\ufe0f"  # follows a character such as ✔ to ask for its coloured form
# What systems write instead of an empty cell: the NULL of databases, and dates that mean "never".
_NOTHING = frozenset(
    {"", "null", "none", "nil", "nan", "n/a", "na", "-", "--", "–", "—", "\\n", "#n/a", "never", "undefined"}
)
_BLANKS = frozenset({"", "null", "nil", "-", "--", "–", "—", "\\n"})  # no status at all
# Spreadsheet programs write these if a formula fails. Other programs write them if a value is missing by mistake.
_ERRORS = frozenset(
    {"#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!", "#error!", "#calc!", "#spill!", "########"}
)
_NO_DATE = re.compile(r"(?:-?000[01]|1970-01-01|1969-12-31|00/00/0000|0000/00/00)")

_WORDS = {
    _ACTIVE: (
        "active|enabled|enable|subscribed|subscriber|confirmed|verified|opted in|opt in|optin|double opt in|ok|valid"
        "|single opt in|single optin|confirmed optin|confirmed opt in|deliverable|sendable|normal|regular|premium"
        "|gifted|free|paid|comp|member|owner|manager|moderator|contactable|engaged|express|implied|explicit|implicit"
        "|registered|approved|allowed|all email|each email|digest|email|daily summary|daily|abridged|enabled by user"
        "|activated|can be mailed|accepted|allow|فعال|عضو|مشترک|تأیید شده|تایید شده|تاییدشده|عضو است|نشط|مشترك"
        "|مؤكد|مفعل"
        "|פעיל|מנוי|actif|active|abonné|abonnée|inscrit|inscrite|aktiv|angemeldet|abonniert|bestätigt|activo|activa"
        "|suscrito|suscrita|ativo|ativa|inscrito|inscrita|assinante|attivo|attiva|iscritto|iscritta|aktif|abone|üye"
        "|actief|ingeschreven|aangemeld|активен|активный|активна|подписан|подписана|подписчик|چالاک|ئەندام|çalak|رکن"
        "|سبسکرائبڈ|فعّال|مفعّل|faal|fa'al|ozv|oozv"
    ),
    _PENDING: (
        "pending|unconfirmed|not confirmed|notconfirmed|unverified|not verified|unactivated|not activated|waiting"
        "|awaiting confirmation|awaiting|pending confirmation|confirmation pending|waiting for confirmation|invited"
        "|invitable|opt in pending|optin pending|double opt in pending|validating|requested|not yet confirmed"
        "|nonsubscribed|non subscribed|not subscribed|notsubscribed|never subscribed|transactional|not opted in"
        "|no opt in|permission not set|not set|تأیید نشده|تایید نشده|تاییدنشده|در انتظار|در انتظار تأیید"
        "|در انتظار تایید|منتظر تأیید|منتظر تایید|معلق|غیر مؤكد|غير مؤكد|قيد الانتظار|בהמתנה|לא אושר|en attente"
        "|non confirmé|non confirmée|à confirmer|ausstehend|unbestätigt|nicht bestätigt|pendiente|no confirmado"
        "|pendente"
        "|não confirmado|in attesa|non confermato|da confermare|beklemede|onay bekliyor|onaylanmamış|in afwachting"
        "|niet bevestigd|ожидает|ожидание|не подтвержден|не подтверждён|چاوەڕوان|زیر التوا|dar entezar|montazer"
        "|none|never"
    ),
    _LEFT: (
        "unsubscribed|unsubscribe|unsub|unsubs|unsubscriber|opted out|opt out|optout|optedout|out|left|gone|withdrawn"
        "|revoked|removed|deleted|delete|trashed|trash|archived|disabled|disable|inactive|deactivated|not active"
        "|notactive|blocked|blacklisted|blacklist|blocklisted|blocklist|black listed|block listed|banned|suppressed"
        "|suppression|do not mail|donotmail|do not email|donotemail|do not contact|donotcontact|dnc|dont mail|no mail"
        "|nomail|no email|noemail|cancelled|canceled|paused|on hold|hold|held|temp hold|suspended|stopped|stale"
        "|not sending|do not allow|disallow|not allowed|no longer subscribed|rejected|denied|refused"
        "|globally unsubscribed|unsubscribed by admin|by user|by admin"
        "|by moderator|disabled by user|disabled by admin|exclusion list|excluded|manual|former|spammy|1 unsubscribed"
        "|غیرفعال|غیر فعال|لغو|لغو شده|لغوشده|لغو عضویت|لغو اشتراک|انصراف|انصراف داده|انصراف داد|حذف|حذف شده|حذفشده"
        "|خارج شده|خارج|مسدود|مسدود شده|مسدودشده|بلاک|بلاک شده|ترک کرده|عضو نیست|نمی‌خواهد|ارسال نشود|لیست سیاه|ملغى"
        "|ملغي|ألغى الاشتراك|تم إلغاء الاشتراك|إلغاء الاشتراك|غير نشط|غير مشترك|محذوف|محظور|לא פעיל|הוסר|ביטל"
        "|כבוי|עזב|חסום|נמחק"
        "|désabonné|désabonnée|désinscrit|désinscrite|inactif|inactive|désactivé|désactivée|résilié|bloqué|supprimé"
        "|abgemeldet|abbestellt|inaktiv|deaktiviert|gesperrt|gelöscht|gekündigt|ausgetragen|nicht aktiv|baja|de baja"
        "|dado de baja|desuscrito|desuscrita|inactivo|inactiva|bloqueado|bloqueada|eliminado|eliminada|cancelado"
        "|cancelada|descadastrado|descadastrada|inativo|inativa|desativado|removido|disiscritto|disiscritta"
        "|cancellato"
        "|cancellata|inattivo|inattiva|non attivo|disattivato|bloccato|rimosso|pasif|aktif değil|ayrıldı"
        "|ayrılmış|çıktı"
        "|çıkmış|iptal|iptal edildi|engellendi|silindi|abonelikten çıktı|üye değil|uitgeschreven|afgemeld|inactief"
        "|niet actief|geblokkeerd|verwijderd|opgezegd|отписан|отписана|отписался|отписалась|отписано|неактивен"
        "|неактивный|не активен|заблокирован|удален|удалён|отключен|отключён|отказ|отказался|ناچالاک|نەچالاک"
        "|وازی هێناوە|وازهێناو|دەرچووە|سڕاوەتەوە|neçalak|derketî|غیر رکن|منسوخ|ختم|بلاک شدہ|gheyrefaal|gheyre faal"
        "|gheirefaal|gheire faal|gheir faal|gheyr faal|ghire faal|laghv|laghv shode|laghv shod|lagv|lagv shode"
        "|enseraf"
        "|enserafi|hazf|hazf shode|masdood|masdud|khorooj|kharej shode|خارج شد|لغو شد|لغو کرده|لغو کرد"
        "|لغو اشتراک کرده"
    ),
    _BOUNCED: (
        "bounced|bounce|bouncing|hard bounced|hard bounce|hardbounce|hardbounced|hard|soft bounced|soft bounce"
        "|softbounce|cleaned|clean|invalid|undeliverable|undelivered|dead|does not exist|bad address|bad|by bounces"
        "|disabled by bounces|mailbox full|failed|invalid email|bounced email|disposable|needs attention|برگشتی"
        "|برگشت خورده|برگشت خورد|برگشت|نامعتبر|ایمیل نامعتبر|مرتد|مرتجع|غير صالح|خطا"
        "|rebond|invalide|unzustellbar|ungültig|rebotado|rebote|inválido|devolvido|rimbalzato|non valido|geri döndü"
        "|geçersiz|onbestelbaar|ongeldig|недоставлено|недействителен|bargashti|bargasht khorde"
    ),
    _COMPLAINED: (
        "complained|complaint|complaints|complainer|spam|marked as spam|spam complaint|spam complaints|spam report"
        "|reported spam|reported as spam|abuse|abuse complaint|abuse report|junk|marked as junk|feedback loop|fbl"
        "|هرزنامه|اسپم|شکایت|شکایت کرده|گزارش هرزنامه|شكوى|بريد مزعج|بريد عشوائي"
    ),
}
STATUSES = {bare_key(word): status for status, words in _WORDS.items() for word in words.split("|")}
# The codes of the WordPress plugin Newsletter. Other systems use S and P for "subscribed" and "pending", so the codes
# count only if the file is from that plugin; see `columns`.
CODES = {"c": _ACTIVE, "s": _PENDING, "u": _LEFT, "b": _BOUNCED, "p": _COMPLAINED}
_NUMBERS = {"1": _ACTIVE, "0": _LEFT, "-1": _LEFT}
# If a person has several statuses, the one that comes first here counts. A person's decision outweighs a dead address.
STRONGEST = (_COMPLAINED, _LEFT, _BOUNCED, _PENDING, _ACTIVE)


def is_blank(cell: str) -> bool:
    """Return True if a cell of a status column is empty. "None" and "never" are statuses, and "#N/A" is an error."""
    return not cell or cell.casefold() in _BLANKS or bool(_NO_DATE.match(cell))


def is_error(cell: str) -> bool:
    """Return True if a spreadsheet program wrote the cell in place of a value that it could not calculate."""
    return cell.startswith("#") and cell.casefold() in _ERRORS


def is_nothing(cell: str) -> bool:
    """Return True if the cell is empty or holds a text that means "empty", such as "null"."""
    return not cell or cell.casefold() in _NOTHING or bool(_NO_DATE.match(cell))


@lru_cache(maxsize=4096)
def status(cell: str, codes: bool = False) -> SubscriberStatus | None:
    """Return the status that a cell of a status column names, or None if the words are unknown.

    An empty cell names no status; the caller decides what it means. If the cell names several statuses, as in
    "confirmed|unsubscribed", the strongest one is returned. With `codes`, the words in CODES are statuses too.
    """
    if "|" in cell:  # the statuses in several lists, in JSON
        every = [status(each, codes) for each in cell.split("|")]
        return min((each for each in every if each), key=STRONGEST.index) if all(every) else None
    number = cell.strip()
    if number in _NUMBERS:
        return _NUMBERS[number]
    word = bare_key(cell)
    if codes and word in CODES:
        return CODES[word]
    if word in STATUSES:
        return STATUSES[word]
    if word in YES and word != "x":  # a cross may mean anything here
        return _ACTIVE
    if word in NO:
        return _LEFT
    first, _, rest = word.partition(" ")  # "Unsubscribed via link", "Bounced (550)"; but not "unsubscribed: no"
    found = STATUSES.get(first) if rest.rpartition(" ")[2] not in NO else None
    return found if found is not _ACTIVE else None


def is_complaint(reason: str) -> bool:
    """Return True if a reason for leaving is that the person reported the mails as spam, such as "SPAM" or "abuse"."""
    return bool(reason) and STATUSES.get(bare_key(reason)) is _COMPLAINED


def strongest(first: SubscriberStatus, second: SubscriberStatus) -> SubscriberStatus:
    """Return the status that counts if a file gives a person both of these statuses."""
    return min(first, second, key=STRONGEST.index)


# --- dates -----------------------------------------------------------------------------------------------------------
_ISO = re.compile(r"(?:19|20)\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_UNIX = re.compile(r"1?\d{9}(?:\d{3})?")  # seconds since 1970, or milliseconds
_DATE_LIKE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|(?<!\d)(?:19|20|13|14)\d\d(?!\d)")
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)  # numbers, such as the days of a spreadsheet, are dates up to this time
_EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)  # an earlier time is a mistake, because no mailing list is so old


def looks_like_date(cell: str) -> bool:
    """Return True if the cell looks like a date, even an ambiguous one such as 03/04/2026."""
    digits = bare_key(cell) if not cell.isascii() else cell
    return bool(_ISO.fullmatch(cell) or _UNIX.fullmatch(digits) or _DATE_LIKE.search(digits[:200]) or instant(cell))


def is_date(cell: str) -> bool:
    """Return True if the cell is a date and nothing else, even an ambiguous one such as 03/04/2026."""
    return instant(cell) is not None or bool(_DATE_LIKE.fullmatch(bare_key(cell).replace(" ", "/")))


def instant(cell: str) -> datetime | None:
    """Return the time in a cell, or None if the cell has no time, an ambiguous time, or a time before 1995."""
    if _ISO.fullmatch(cell):  # a fast path for the format that most programs write
        try:
            found = datetime.fromisoformat(cell)
        except ValueError:
            return None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    elif _UNIX.fullmatch(cell):
        found = datetime.fromtimestamp(int(cell[:10]), UTC)
    else:
        read = dates.parse(cell, zone=UTC, now=_LATEST)
        if read is None:
            return None
        found = read
    try:
        return found.astimezone(UTC) if found >= _EARLIEST else None
    except OverflowError:
        return None


# --- flags: cells of columns such as "unsubscribed", "deleted_at", "bounced" -----------------------------------------
class Said(StrEnum):
    """The kinds of content in a column of flags."""

    NOTHING = "nothing"
    NO = "no"
    YES = "yes"
    DATE = "date"
    WORD = "word"  # a status word
    TEXT = "text"  # anything else


class Flag(NamedTuple):
    """The meaning of a cell in a column such as "deleted". `at` is None if the cell gives no readable date."""

    kind: Said
    at: datetime | None = None
    status: SubscriberStatus | None = None  # set if `kind` is WORD


_NOTHING_SAID, _SAID_NO, _SAID_YES, _TEXT = Flag(Said.NOTHING), Flag(Said.NO), Flag(Said.YES), Flag(Said.TEXT)


@lru_cache(maxsize=20_000)
def flag(cell: str) -> Flag:
    """Return what a cell of a column such as "deleted", "deleted_at" or "subscribed" says."""
    if is_error(cell):
        return _TEXT
    if is_nothing(cell):
        return _NOTHING_SAID
    if cell.startswith("-"):
        return _TEXT  # a negative number; `bare_key` would drop its sign
    word = bare_key(cell) or cell.replace(_EMOJI_FORM, "")
    if word in NO:
        return _SAID_NO
    if word in YES:
        return _SAID_YES
    if word in STATUSES:
        return Flag(Said.WORD, status=STATUSES[word])
    if looks_like_date(cell):
        return Flag(Said.DATE, instant(cell))
    return _TEXT


# --- sentences about leaving, in columns of notes --------------------------------------------------------------------
# Phrases that mean in any column that the person must not be mailed. They are more specific than the status words:
# "left", "removed" or "manual" may mean anything in a note.
_PHRASES = (
    "unsubscribed|unsubscribe|unsubscribes|unsubbed|opted out|opt out|do not mail|do not email|do not e mail"
    "|do not contact|do not send|don't mail|don't email|don't send|don't contact|no more mail|no more mails"
    "|no more email|no more emails|stop mailing|stop emailing|stop sending|blacklisted|bounced|hard bounce"
    "|marked as spam|spam complaint|désabonné|désabonnée|désinscrit|désinscrite|ne plus envoyer|ne plus contacter"
    "|abgemeldet|abbestellt|keine mails|keine e mails|keine mails mehr|dado de baja|dada de baja|se dio de baja"
    "|no enviar|desuscrito|descadastrado|não enviar|disiscritto|disiscritta|non inviare|abonelikten çıktı"
    "|abonelikten çıkmış|üyelikten ayrıldı|üyelikten çıktı|отписался|отписалась|отписан|отписана|не отправлять"
    "|не присылать|не писать|uitgeschreven|afgemeld|niet meer mailen|لغو شد|لغو شده|لغو عضویت|لغو اشتراک|لغو کرد"
    "|لغو کرده|انصراف|انصراف داد|انصراف داده|نفرستید|نفرست|نفرستیم|ارسال نشود|نمی‌خواهد|ایمیل نزنید|إلغاء الاشتراك"
    "|ألغى الاشتراك|لا ترسل|לא לשלוח|הוסר מהרשימה|ביטל מנוי|برگشت خورد|برگشت خورده|وازی هێناوە|laghv shode"
    "|enseraf dade"
)
_TELLING = re.compile(rf"\b(?:{'|'.join(sorted(map(bare_key, _PHRASES.split('|')), key=len, reverse=True))})\b")
# Each phrase contains one of these texts, however it is written. Most cells contain none of them. Checking this first
# is faster than making a key for each cell.
_HINTS = (
    *("unsub", "opt", "not ", "n't", "n’t", "more", "stop", "black", "bounc", "spam", "abonn", "inscri", "ne plus"),
    *("gemeld", "bestell", "keine", "baja", "no enviar", "desuscr", "descad", "o enviar", "iscri", "non inv"),
    *("abonelik", "yelik", "отпис", "не ", "uitge", "afgem", "niet", "لغو", "نصراف", "نفرست", "نشود", "خواه", "نزنید"),
    *("نزنيد", "لغ", "لا تر", "לא ", "הוסר", "ביטל", "برگشت", "واز", "lagh", "enser"),
)


def tells_of_leaving(cells: Sequence[str]) -> str:
    """Return the first cell with a phrase that means in any column that a person must not be mailed, or "".

    "unsubscribed 2024-03-01" is such a cell. Examining many cells at once is faster than examining them one by one.
    """
    together = "\n".join(cells).casefold()
    if not any(hint in together for hint in _HINTS):
        return ""
    # A link such as https://example.org/unsubscribe/7 is in the row of everyone.
    return next((cell for cell in cells if "://" not in cell and _TELLING.search(bare_key(cell))), "")
