"""The usual sections of a news site in each language, and the words by which they are recognised.

Newsrooms call one section by many names: «سیاسی», «اخبار سیاست», «سیاست داخلی». A category belongs to the section whose
word comes first in its name. Names without such a word belong to no section; nothing is guessed.
"""

from functools import cache

from mailer.text.search_key import key

# For each language, the sections in their usual order in a newsletter, with the words that occur in their categories.
_SECTIONS = {
    "fa": {
        "سیاست": "سیاست سیاسی دولت مجلس انتخابات دیپلماسی",
        "جهان": "جهان جهانی بین‌الملل بین‌المللی خاورمیانه",
        "اقتصاد": "اقتصاد اقتصادی بازار بورس انرژی نفت مسکن صنعت کشاورزی بانک",
        "جامعه": "جامعه اجتماعی آموزش شهری محیط‌زیست زنان",
        "حوادث": "حوادث حادثه قضایی",
        "فرهنگ و هنر": "فرهنگ فرهنگی هنر هنری سینما ادبیات کتاب موسیقی تئاتر تلویزیون رسانه",
        "علم و فناوری": "علم علمی علوم فناوری تکنولوژی دانش دانشگاه دیجیتال",
        "سلامت": "سلامت بهداشت پزشکی درمان",
        "ورزش": "ورزش ورزشی فوتبال",
        "استان‌ها": "استان استان‌ها شهرستان شهرستان‌ها",
    },
    "ar": {
        "سياسة": "سياسة السياسة سياسي سياسية برلمان انتخابات",
        "العالم": "العالم عالم دولي دولية عربي عربية",
        "اقتصاد": "اقتصاد الاقتصاد اقتصادي أسواق الأسواق مال طاقة النفط أعمال",
        "مجتمع": "مجتمع المجتمع محليات محلي تعليم",
        "حوادث": "حوادث الحوادث قضاء",
        "ثقافة وفنون": "ثقافة الثقافة ثقافي فن فنون الفن سينما أدب كتب",
        "علوم وتكنولوجيا": "علوم العلوم تكنولوجيا التكنولوجيا تقنية",
        "صحة": "صحة الصحة طب",
        "رياضة": "رياضة الرياضة رياضي كرة",
    },
    "en": {
        "Politics": "politics political government parliament elections",
        "World": "world international global",
        "Business": "business economy economics economic markets finance energy",
        "Society": "society social community education local",
        "Culture": "culture cultural arts art books film music entertainment",
        "Science and technology": "science technology tech digital",
        "Health": "health medicine",
        "Sport": "sport sports football soccer",
    },
    "he": {
        "פוליטיקה": "פוליטיקה פוליטי ממשלה כנסת בחירות מדיני",
        "עולם": "עולם בעולם בינלאומי",
        "כלכלה": "כלכלה כלכלי כסף שוק עסקים אנרגיה",
        "חברה": "חברה חינוך מקומי",
        "פלילים ומשפט": "פלילים משפט משטרה",
        "תרבות": "תרבות אמנות קולנוע ספרים מוזיקה בידור",
        "מדע וטכנולוגיה": "מדע טכנולוגיה דיגיטל",
        "בריאות": "בריאות רפואה",
        "ספורט": "ספורט כדורגל",
    },
    "ur": {
        "سیاست": "سیاست سیاسی حکومت انتخابات",
        "دنیا": "دنیا عالمی بین‌الاقوامی",
        "معیشت": "معیشت معاشی کاروبار تجارت",
        "معاشرہ": "معاشرہ سماج سماجی تعلیم مقامی",
        "جرائم": "جرائم حادثات عدالت",
        "فن و ثقافت": "ثقافت فن ادب کتابیں موسیقی شوبز انٹرٹینمنٹ",
        "سائنس اور ٹیکنالوجی": "سائنس ٹیکنالوجی",
        "صحت": "صحت",
        "کھیل": "کھیل کرکٹ",
    },
    "ckb": {
        "سیاسەت": "سیاسەت سیاسی حکومەت هەڵبژاردن",
        "جیهان": "جیهان جیهانی نێودەوڵەتی",
        "ئابووری": "ئابووری بازاڕ وزە نەوت",
        "کۆمەڵگە": "کۆمەڵگە کۆمەڵایەتی پەروەردە ناوخۆ",
        "ڕووداو": "ڕووداو ڕووداوەکان",
        "کولتوور و هونەر": "کولتوور هونەر ئەدەب کتێب مۆسیقا سینەما",
        "زانست و تەکنەلۆژیا": "زانست تەکنەلۆژیا",
        "تەندروستی": "تەندروستی",
        "وەرزش": "وەرزش تۆپی",
    },
}


def section_of(category: str, locale: str) -> str:
    """Return the usual section of a category in a language, or "" if its name has no word of any section."""
    known = _words(locale)
    joined = f" {key(category)} "
    found = [(place, section) for word, section in known.items() if (place := joined.find(f" {word} ")) >= 0]
    return min(found, key=lambda each: each[0], default=(0, ""))[1]


def in_order(locale: str) -> tuple[str, ...]:
    """Return the usual sections of a language in their order."""
    return tuple(_SECTIONS[locale])


@cache
def _words(locale: str) -> dict[str, str]:
    found = {}
    for section, words in _SECTIONS[locale].items():
        for word in words.split():
            # `key` joins the parts of a word at a half-space. Some writers put a blank between the parts instead.
            found[key(word)] = section
            found[key(word.replace("\u200c", " "))] = section
    return found
