"""Understands the headings of lists, in English, Persian, Arabic and the other languages that lists often come in.

The headings are compared by `search_key.bare_key`, so case, punctuation, accents and half-spaces do not matter.
docs/lists.md has a table of the systems and their columns.
"""

import re
from enum import StrEnum

from mailer.text.search_key import bare_key

_LONGEST_HEADING = 200  # only this many characters of a heading are compared


class Meaning(StrEnum):
    """The meaning of a column. The values are the names that `--map` and the report use."""

    EMAIL = "email"
    NAME = "name"
    FIRST_NAME = "first-name"
    LAST_NAME = "last-name"
    SECTIONS = "sections"
    TAGS = "tags"  # only tags that are names of sections are used
    LIST = "list"
    STATUS = "status"
    LIST_STATUS = "list-status"  # the person's status in a single list
    CONSENT = "consent"
    SOURCE = "source"
    REASON = "reason"  # why a person left; another column says whether the person left
    UNSUBSCRIBED = "unsubscribed"  # a date or "yes" means that the person left; so does any other text if `Column.sure`
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUBSCRIBED = "subscribed"  # "no" means that the person left
    CONFIRMED = "confirmed"  # "no" means that the person never confirmed
    IGNORED = "ignored"


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def heading_key(heading: str) -> str:
    """Return the key by which headings are compared. "unsubscribedAt" and "Unsubscribed at" have the same key."""
    return bare_key(_HUMP.sub(" ", heading[:_LONGEST_HEADING]))


def _keys(text: str) -> tuple[str, ...]:
    return tuple(bare_key(name) for name in text.split("|"))


def _words(text: str) -> str:
    """Return a regular expression that matches these words in a key, also after the Arabic article.

    The words are separated by bars. A word that ends with `*` matches every word that begins like it.
    """
    each = (re.escape(bare_key(word)) + ("" if word.strip().endswith("*") else r"\b") for word in text.split("|"))
    return rf"\b(?:ال)?(?:{'|'.join(each)})"


# --- headings that are known word for word, the plainest first -------------------------------------------------------
_EMAIL = _keys(
    "email|email address|e-mail|e-mail address|emailaddress|mail|ایمیل|آدرس ایمیل|نشانی ایمیل|پست الکترونیک"
    "|پست الکترونیکی|آدرس پست الکترونیک|آدرس پست الکترونیکی|نشانی پست الکترونیکی|رایانامه|نشانی رایانامه|ایمیل کاربر"
    "|ایمیل مشترک|البريد الإلكتروني|عنوان البريد الإلكتروني|بريد إلكتروني|الإيميل|דואר אלקטרוני|אימייל|e-posta"
    "|e-mail-adresse|adresse e-mail|courriel|correo electrónico|e-posta adresi|электронная почта|эл почта|ئیمەیڵ"
    "|ای میل|e-mail 1 - value|user email|subscriber email|contact email|subscriber|subscribed addresses"
    "|mailbox"
)
_NAMED: dict[Meaning, tuple[str, ...]] = {
    Meaning.NAME: _keys(
        "name|full name|fullname|display name|displayname|subscriber name|contact name|نام|نام و نام خانوادگی"
        "|نام کامل|اسم|نام کاربر|نام مشترک|الاسم|الاسم الكامل|שם|שם מלא|nickname|realname|real name|gecos"
        "|nom complet|nombre completo|nombre y apellidos|nome completo|nome e cognome|ad soyad|adı soyadı|isim"
        "|имя и фамилия|фио|volledige naam|naam|ناو|ناوی تەواو"
    ),
    Meaning.FIRST_NAME: _keys(
        "first name|firstname|given name|fname|forename|first|نام کوچک|الاسم الأول|שם פרטי"
        "|prénom|vorname|nombre|nome|ad|adı|имя|voornaam"
    ),
    Meaning.LAST_NAME: _keys(
        "last name|lastname|surname|family name|lname|last|نام خانوادگی|فامیل|فامیلی|شهرت|اسم العائلة|الكنية|اللقب"
        "|שם משפחה|nom|nom de famille|nachname|familienname|apellido|apellidos|cognome|sobrenome|soyad|soyadı|фамилия"
        "|achternaam"
    ),
    Meaning.SECTIONS: _keys("sections|section|بخش|بخش‌ها"),
    Meaning.TAGS: _keys(
        "tags|tag|labels|label|group membership|groups|interests|topics|categories|segments|segment|برچسب|برچسب‌ها"
        "|گروه|گروه‌ها|موضوع‌ها|علاقه‌مندی‌ها|tag names"
    ),
    Meaning.LIST: _keys(
        "list|lists|list name|list names|list membership|email lists|mailing list|mailing lists|subscribed lists"
        "|audience|newsletters|newsletter|newsletter name|خبرنامه|فهرست|لیست|لیست‌ها|خبرنامه‌ها|القائمة|القوائم"
    ),
    Meaning.CONSENT: _keys(
        "confirm time|confirmed at|confirmation time|confirmation date|confirm date|optin time|opt in time"
        "|opt in date|opted in at|optin date|opt in timestamp|consent date|consent at|consent|subscribed at"
        "|subscribed on|subscribe date|date subscribed|subscription date|subscription time|subscribed since"
        "|subscribed date|since|date joined|joined|joined at|join date|signup date|sign up date|signed up"
        "|signed up at|signup time|added at|added time|added on|date added|added|added_time|dateadded|entered"
        "|created at|created|created on|created date|create date|date created|created time|created utc|creation date"
        "|creation time|registration date|registered at|registered|start date|subscribed|date|timestamp|تاریخ عضویت"
        "|زمان عضویت|تاریخ تأیید|تاریخ تایید|تاریخ ثبت نام|تاریخ ثبت|تاریخ|تاريخ الاشتراك|تاريخ الإضافة|התאריך"
        "|date d'inscription|date d'abonnement|inscrit le|abonné le|anmeldedatum|angemeldet am|registriert am"
        "|registriert"
        "|eingetragen am|fecha de alta|fecha de registro|fecha de suscripción|fecha de inscripción|data iscrizione"
        "|data di iscrizione|data de inscrição|data de cadastro|kayıt tarihi|üyelik tarihi|abonelik tarihi"
        "|дата подписки|дата регистрации|inschrijfdatum|ingeschreven op|aangemeld op|תאריך הרשמה|تاریخ ثبت‌نام"
        "|زمان ثبت‌نام|تاریخ عضویت در خبرنامه|ڕێکەوتی تۆماربوون|شمولیت کی تاریخ"
    ),
    Meaning.SOURCE: _keys("source|signup source|sign up source|subscription source|optin source|منبع|المصدر"),
    Meaning.REASON: _keys(
        "unsub reason|unsub reason other|unsub campaign title|clean campaign title|reason|علت|دلیل|علت لغو|دلیل لغو"
        "|السبب"
    ),
}
_ADDRESS_LIKE = _keys("address|نشانی|آدرس|contact|عنوان")  # headings that usually mean a postal address
# Headings that look like an opt-out but are not. HARMLESS has whole headings; the patterns match a part of a heading.
HARMLESS = frozenset(
    _keys(
        "active subscription|marital status|order status|payment status|financial status|fulfillment status"
        "|lead status|stripe status|http status|complimentary plan|last changed|cancel date|status message|spam score"
        "|وضعیت تأهل|وضعیت تاهل|الحالة الاجتماعية|état civil|familienstand|estado civil|stato civile|medeni durum"
        "|семейное положение|burgerlijke staat|מצב משפחתי|number of bounces on this subscriber|number of bounces"
        "|did this subscriber manually confirm|send this subscriber html emails|send this user html emails"
        "|did this user manually confirm|number of bounces on this user"
    )
)
HARMLESS_PART = re.compile(
    r"\b(?:ids?|ip|url|link|links|token|hash|uuid|count|counts|number|total|rate|percent|score|campaigns?"
    r"|user agent)\b"
)
OTHER_CHANNEL = re.compile(
    r"\b(?:sms|calls?|phone|mobile|whatsapp|telegram|push|fax|postal|پیامک|تلفن|موبایل|تلگرام)\b"
)
REASON_PART = re.compile(r"\b(?:reason|title|detail|details|comment|comments|message|note|notes|source|علت|دلیل|سبب)\b")

# The patterns below match keys, which are in lower case, without punctuation and without the marks on Persian letters.
# --- headings that look like an opt-out ------------------------------------------------------------------------------
_LEAVING_WORDS = _words(
    "désabonn*|désinscri*|résili*|désactiv*|supprimé*|bloqué*|exclu|exclue|exclus|ne plus*|ne pas*|liste noire"
    "|retiré|refus*"  # French
    "|abgemeldet*|abmeld*|abbestell*|ausgetragen|austrag*|austritt*|gekündigt*|kündig*|widerruf*|widerspr*|gesperrt*"
    "|sperr*|gelöscht*|lösch*|deaktiviert*|inaktiv*|nicht mehr*|keine e mail*|keine mail*|kein newsletter"  # German
    "|baja|bajas|dado de baja|desuscri*|desinscri*|cancelad*|bloquead*|eliminad*|rechaz*|excluid*|inactiv*|no enviar"
    "|no desea*|no contactar|lista negra"  # Spanish
    "|descadastr*|desativad*|removid*|inativ*|não enviar|não desea*|data de saída|cancelament*"  # Portuguese
    "|disiscri*|disiscritt*|cancellat*|cancellazion*|disattiv*|rimoss*|bloccat*|disabilitat*|eliminat*|revoc*"
    "|non inviare"  # Italian
    "|abonelikten*|üyelikten*|ayrıl*|çıkış*|çıkan*|çıktı*|iptal*|pasif*|engellen*|istemiyor*|silin*"
    "|kara liste"  # Turkish
    "|afgemeld*|afmeld*|uitgeschreven|uitschrij*|opgezegd|opzeg*|geblokkeerd*|verwijderd*|niet meer*"
    "|inactief*"  # Dutch
    "|отпис*|отказ*|удален*|удалён*|заблок*|не отправ*|не присыл*|не писать|неактив*|исключ*|черный список*"
    "|отмен*|отключ*"  # Russian
    "|إلغاء*|ألغى*|انسحاب*|انسحب*|رفض*|مغادرة|غادر|موقوف*|غير نشط*|غير مشترك*|لا يرغب*|لا يريد*|عدم الإرسال"  # Arabic
    "|ختم|منسوخ*|ان سبسکرا*|نہ بھیج*|چھوڑ*|غیر فعال*"  # Urdu
    "|واز هێنا*|وازی هێنا*|وازهێنا*|هەڵوەشا*|ناچالاک*|سڕاوە*|سڕدرا*|دەرچوو*|betal|derket*|neçalak*"  # Kurdish
    "|הוסר*|להסיר*|בוטל*|עזב*|חסום*|נמחק*|לא פעיל*|לא לשלוח|לא מעוניי*"  # Hebrew
    "|عدم تمایل|عدم ارسال|عدم دریافت|عدم رضایت|عدم اشتراک|عدم عضویت|نفرست*|دیگر نفرست*|نمی‌خواه*|ارسال نشود|قطع*"
    "|کنسل*"
    "|laghv*|lagv*|enseraf*|khorooj*|khoruj*|hazf*|gheyrefaal*|gheyre faal*|gheirefaal*|gheir faal*|masdood*"
    "|nafrest*"  # Persian
)
_LEAVING_PARTS: tuple[tuple[re.Pattern[str], Meaning], ...] = (
    (
        re.compile(
            r"complain|spam|\babuse|\bjunk|شکایت|هرزنامه|اسپم|شکوی|"
            + _words(
                "plainte*|indésirable*|beschwerde*|queja*|denuncia*|segnalat*|şikayet*|жалоб*|klacht*|תלונ*|shekayat*"
            )
        ),
        Meaning.COMPLAINED,
    ),
    (
        re.compile(
            r"bounc|\bclean(?:ed)?\b|undeliver|\binvalid\b|برگشت|نامعتبر|مرتد|"
            + _words(
                "rebond*|invalide*|unzustellbar*|ungültig*|rebote*|rebotad*|rimbalz*|devolvid*|inválid*"
                "|geri dön*|geçersiz*"
                "|недостав*|недейств*|onbestelbaar*|ongeldig*|חזר*|bargasht*"
            )
        ),
        Meaning.BOUNCED,
    ),
    (
        re.compile(
            r"unsub|un subscri|\bopt(?:ed)? ?out|\bdisab|\bdeactiv|\binactive|\bdelet|\bremov|\btrash|\barchiv"
            r"|black ?list|block ?list|\bblocked\b|\bbanned|suppress|\bdnc\b|\bdo not\b(?! modify| edit| change)"
            r"|\bdonot"
            r"|\bdont\b|\bdon t\b"
            r"|\bno ?(?:e ?)?mails?\b|\bwithdr|\brevok|\bleft\b|\bexcluded|\bexclusion"
            r"|لغو|انصراف|حذف|مسدود|غیرفعال|غیر فعال|خروج|\bبلاک|\bترک|الغا|ملغ|محذوف|محظور|הסר|ביטול|" + _LEAVING_WORDS
        ),
        Meaning.UNSUBSCRIBED,
    ),
)
STATUS_PART = re.compile(
    r"\bstatus(?:es)?\b|وضعیت|\b(?:ال)?حاله\b|סטטוס|"
    + _words(
        "statut*|durum*|статус*|состояни*|دۆخ*|rewş*|מצב|zustand|situation|situación|situação|toestand|vaziat|vaziyat"
        "|vazeiat|vazeyat|vazeeyat"
    )
)
# Columns with these headings are a status only if their cells are statuses. For example, "state" may also be a part of
# a postal address.
MAYBE_STATUS = frozenset(
    _keys(
        "state|subscriber state|subscription|email subscription|subscription state|email preference|preference|type"
        "|subscriber type|subscription type|membership|role|delivery|delivery mode|permission|حالت|نوع|عضویت"
        "|état|estado|stato|abonnement|abonnements|abonelik|üyelik|suscripción|iscrizione|assinatura|подписка|رکنیت"
    )
)
CONFIRMED_PART = re.compile(
    r"confirm|verif|\bactivated\b|double opt|تایید|موکد|"
    + _words("bestätigt*|onaylan*|doğrulan*|подтвер*|bevestigd*|מאושר*|taeed*|tayid*")
)
SUBSCRIBED_PART = re.compile(
    r"subscri|^(?:is |user |account |contact |email |mail )?(?:active|enabled)\b|\bopt(?:ed)? ?in\b|\baccept|\ballow"
    r"|^(?:is |email )?(?:valid|deliverable)\b"
    r"|\breceiv|newsletter|marketing|\bpermission|\bconsent|\bmailable|\bsendable|فعال|عضو|مشترک|خبرنامه|رضایت|نشط|"
    + _words(
        "abonn*|inscri*|actif*|angemeldet*|aktiv*|einwillig*|zustimm*|suscri*|activo*|abonad*|consent*"
        "|assinante*|assina*|ativo*|iscritt*|attivo*|consens*|abone*|üye*|aktif*|izin*|onay*|ingeschreven|aangemeld*"
        "|actief*|toestemming*|подписан*|подписк*|рассылк*|актив*|соглас*|مشترك*|اشتراک*|موافق*|مفعل*|سبسکرا*"
        "|رکن*|فعال*"
        "|چالاک*|ئەندام*|بەشدار*|endam*|çalak*|מנוי*|רשום*|פעיל*|אישר*|faal|ozv*|dariaft*|daryaft*"
    )
)

HEADINGS = frozenset({*_EMAIL, *(name for names in _NAMED.values() for name in names), "status", bare_key("وضعیت")})
RANKS = {name: (meaning, rank) for meaning, names in _NAMED.items() for rank, name in enumerate(names)}
_EMAIL_RANKS = {name: rank for rank, name in enumerate(_EMAIL)}
_EMAIL_PART = re.compile(
    r"\be ?mail|\bmail\b|ایمیل|رایانامه|پست الکترونیک|برید|e posta|correo|courriel|מייל|דוא|почт|ای میل"
)
_OTHER_PERSON = re.compile(r"owner|referr|manager|assistant|second|altern|other|\b[2-9]\b|invited by|دوم|معرف")


LOOSE, POSTAL, UNKNOWN, OTHERS = 200, 300, 400, 500  # ranks of headings that are not in _EMAIL


def email_rank(heading: str) -> int:
    """Return a rank for a heading: 0 is the clearest name for the person's address. `heading` is a key."""
    if heading in _EMAIL_RANKS:
        return _EMAIL_RANKS[heading]
    if _OTHER_PERSON.search(heading):
        return OTHERS
    if _EMAIL_PART.search(heading):
        return LOOSE
    return POSTAL if heading in _ADDRESS_LIKE else UNKNOWN


def is_email_heading(heading: str) -> bool:
    """Return True if a column with this heading may be the column of addresses. `heading` is a key."""
    return email_rank(heading) <= POSTAL


def is_known(heading: str) -> bool:
    """Return True if a cell with this key is probably a heading."""
    return heading in HEADINGS or email_rank(heading) <= POSTAL or leaving_meaning(heading) is not None


def leaving_meaning(heading: str) -> Meaning | None:
    """Return the meaning of a heading that looks like an opt-out, or None for any other. `heading` is a key."""
    return next((meaning for pattern, meaning in _LEAVING_PARTS if pattern.search(heading)), None)


def looks_like_opt_out(heading: str) -> bool:
    """Return True if a column with this heading may say who must not be mailed. `heading` is a key."""
    return leaving_meaning(heading) is not None or bool(STATUS_PART.search(heading))


def is_interesting(heading: str) -> bool:
    """Return True if the cells of a column with this heading must be classified. `heading` is a key."""
    known = RANKS.get(heading)
    if known and known[0] not in (Meaning.CONSENT, Meaning.LIST):
        return False
    patterns = (STATUS_PART, CONFIRMED_PART, SUBSCRIBED_PART)
    return (
        leaving_meaning(heading) is not None
        or heading in MAYBE_STATUS
        or any(pattern.search(heading) for pattern in patterns)
    )


# --- headings of columns that have nothing to do with mailing --------------------------------------------------------
_OTHER_SUBJECTS = re.compile(
    _words(
        "id|ids|uid|uuid|nr|num|number|row|token|hash|ip|gender|sex|age|birth*|born|dob|city|town|country|region"
        "|state"
        "|province|county|district|zip*|postcode|postal*|address|street|latitude|longitude|gmtoff|dstoff|cc|language"
        "|lang|locale|time zone|timezone|plan|tier|package|product*|premium|complimentary|vip|level"
        "|member rating|rating"
        "|rank|score|points|stars|grade|opens|opened|open|clicks|clicked|click|views|read|html|text|format|plain"
        "|digest"
        "|orders|ordered|order|spent|purchas*|bought|paid|payment*|pay|invoice*|billing|customer|client|buyer"
        "|lead|donor"
        "|donat*|refer*|device|browser|os|platform|title|salutation|prefix|suffix|job|position|company|organi*"
        "|department"
        "|industry|school|university|degree|education|student|teacher|staff|employee|volunteer|press|journalist"
        "|speaker"
        "|author|admin|administrator|moderator|owner|agent|married|children|kids|pet|pets|car|phone|mobile|cell"
        "|landline"
        "|sms|whatsapp|telegram|fax|photo|picture|image|avatar|website|web|url|facebook|twitter|instagram"
        "|linkedin|event"
        "|events|attend*|webinar|conference|meeting|workshop|course|visit*|seen|login|log in|logged|last"
        "|modified|updated"
        "|update|changed|activity|imported|synced|sync|expir*|expiry|trial|list 1|list 2|list 3|list 4|list 5|list 6"
        "|list 7|list 8|list 9|color|colour|height|weight|religion|nationality|test|duplicate|merged|print|paper|hide"
        "|hidden|nodupes|ack|app|android|ios|desktop|quota|storage|role|contract|salary|income|budget|size|discount"
        "|note|notes|comment*|remark*|description|details|یادداشت*|توضیح*|ملاحظات|attributes"
        "|coupon|gift|first payment*|first purchase*|first order*|interested|favorite|favourite"
        "|sexe|genre|civilité|âge|naissance|anniversaire|ville|pays|langue|code postal|adresse|entreprise"
        "|société|fonction"
        "|profession|client|téléphone|portable|geschlecht|anrede|alter|geburt*|stadt|ort|bundesland|sprache|plz"
        "|straße"
        "|firma|beruf|kunde|telefon*|sexo|género|edad|nacimiento|cumpleaños|ciudad|país|idioma|provincia"
        "|código postal"
        "|empresa|cargo|cliente|teléfono|idade|nascimento|cidade|bairro|telefone|sesso|genere|età|nascita|città|paese"
        "|lingua|azienda|telefono|cinsiyet*|yaş*|doğum*|şehir*|il|ülke*|dil*|meslek*|şirket*|müşteri*|geslacht"
        "|leeftijd"
        "|geboorte*|plaats|woonplaats|taal|bedrijf|klant|telefoon*|пол|возраст*|рожд*|город*|страна*|язык*|регион*"
        "|компани*|должност*|клиент*|телефон*|جنس|عمر|عيد الميلاد|ميلاد|مدينة|بلد|دولة|لغة|شركة|وظيفة|هاتف|جوال|عميل"
        "|جنسیت|سن|تولد|شهر|کشور|استان|زبان|شغل|تحصیلات|شرکت|سازمان|مدرک|متأهل|تأهل|خانم|آقا|ردیف|تلفن|موبایل"
        "|همراه|مشتری"
        "|کد پستی|خرید*|پیشہ|ملک|ڕەگەز|تەمەن|شار|وڵات|مۆبایل|zayend|bajar|welat|ziman|מין|גיל|לידה|עיר|ארץ|שפה"
        "|טלפון|לקוח|jensiat|jensiyat|shahr|keshvar|ostan|zaban|shoghl|telefon|mobail|tavalod|tavallod"
    )
)


def is_of_another_subject(heading: str) -> bool:
    """Return True if the heading names notes, or a subject that has nothing to do with mailing. `heading` is a key.

    Such a column may hold yes and no, or dates in some of its cells, without saying who left: "VIP", "Gender",
    "Birthday", "Last open".
    """
    return bool(_OTHER_SUBJECTS.search(heading))
