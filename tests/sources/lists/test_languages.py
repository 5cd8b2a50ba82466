"""Lists in other languages, and columns whose headings are in no language that is known."""

from pathlib import Path

import pytest
from list_files import opened, read

from mailer.errors import UndecidedList

LEFT, ACTIVE = "unsubscribed", "active"


@pytest.mark.parametrize(
    ("headings", "stays", "leaves"),
    [
        ("Adresse e-mail;Nom;Désinscrit", "Zoé;Non", "Noël;Oui"),
        ("Courriel;Statut", "Abonné", "Désabonnée"),
        ("E-Mail;Abgemeldet am", "", "14.07.2023"),
        ("E-Mail;Newsletter abbestellt", "nein", "ja"),
        ("Correo electrónico;Fecha de baja", "", "2023-01-01"),
        ("Correo;Suscrita", "Sí", "No"),
        ("E-mail;Situação", "ativo", "descadastrado"),
        ("Indirizzo email;Disiscritto il", "", "2024-02-03"),
        ("E-posta;Abonelik durumu", "Aktif", "İptal edildi"),
        ("E-posta;Abonelikten çıkış tarihi", "", "12.01.2024"),
        ("E-mail;Uitgeschreven op", "", "13-10-2023"),
        ("Эл. почта;Статус", "подписан", "отписался"),
        ("Эл. почта;Дата отписки", "", "25.02.2024"),
        ("البريد الإلكتروني;تاريخ إلغاء الاشتراك", "", "2024-02-25"),
        ("ای میل;سبسکرائب ختم", "نہیں", "جی ہاں"),
        ("ئیمەیڵ;دۆخ", "چالاک", "ناچالاک"),
        ("ئیمەیڵ;وازی هێناوە", "نەخێر", "بەڵێ"),
        ("דואר אלקטרוני;הוסר מרשימת תפוצה", "לא", "כן"),
        ("ایمیل;عدم تمایل به دریافت", "", "بله"),
        ("ایمیل;دیگر نفرستید", "", "✓"),
        ("email;vaziat", "faal", "gheyre faal"),
        ("E-mail;Do not allow Emails", "Allow", "Do Not Allow"),
        ("email;lists subscription_status", "confirmed", "unsubscribed"),
    ],
)
def test_people_who_left_in_other_languages(tmp_path: Path, headings: str, stays: str, leaves: str) -> None:
    rows = read(tmp_path, f"{headings}\na@example.org;{stays}\nb@example.org;{leaves}\n")
    assert [(row.problem, str(row.status)) for row in rows] == [("", ACTIVE), ("", LEFT)]


def test_names_and_dates_of_consent_in_other_languages(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "Courriel;Prénom;Nom;Date d'inscription\na@example.org;Zoé;Lefèvre;2021-02-13\n")
    assert (row.name, str(row.consent_at)[:10]) == ("Zoé Lefèvre", "2021-02-13")


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("Zgoda", ("potwierdzony", "niepotwierdzony")),
        ("Zrezygnował", ("0", "1")),
        ("Odhlášen", ("ja", "nein")),
        ("Peruttu", ("✗", "✓")),
        ("Avslutad", ("", "2024-05-06")),
        ("Elementos", ("", "*")),
        ("Κατάσταση", ("ενεργός", "ανενεργός")),
        ("Mitgliedschaft", ("Probe", "inaktiv")),
        ("Boletim?", ("s", "n")),
        ("", ("true", "false")),
        ("Notes", ("met at the fair", "unsubscribed 2024-03-01")),
        ("توضیح", ("در نمایشگاه آمد", "گفت دیگر ایمیل نفرستید")),
        ("یادداشت", ("مشهد", "لغو شد")),
        ("Remarks", ("phone later", "Please do not mail!")),
        ("reason", ("", "too many mails")),
        ("Newsletter abo", ("ja", "nein", "vielleicht")),
    ],
)
def test_a_column_that_looks_like_an_opt_out_stops_the_import(
    tmp_path: Path, heading: str, cells: tuple[str, ...]
) -> None:
    rows = "".join(f"r{n}@example.org,{cell}\n" for n, cell in enumerate(cells))
    with pytest.raises(UndecidedList) as stopped:
        opened(tmp_path, f"email,{heading}\n{rows}")
    assert cells[-1] in str(stopped.value)
    assert len(read(tmp_path, f"email,{heading}\n{rows}", ignored=["2"])) == len(cells)


def test_a_single_note_about_leaving_among_thousands_stops_the_import(tmp_path: Path) -> None:
    rows = "".join(f"r{n}@example.org,met at fair number {n}\n" for n in range(3000))
    with pytest.raises(UndecidedList, match="Notes"):
        opened(tmp_path, f"email,Notes\n{rows}last@example.org,opted out by phone\n")
    assert opened(tmp_path, f"email,Notes\n{rows}").count == 3000


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("Gender", ("male", "female")),
        ("جنسیت", ("زن", "مرد")),
        ("VIP", ("yes", "no")),
        ("Geschlecht", ("m", "f")),
        ("MEMBER_RATING", ("1", "0")),
        ("Opens", ("0", "1")),
        ("clicks", ("", "1")),
        ("Plan", ("pro", "no pro")),
        ("Language", ("fa", "no")),
        ("شهر", ("تهران", "شهر تهران")),
        ("Country", ("Iran", "")),
        ("Birthday", ("", "1990-02-03")),
        ("تاریخ تولد", ("", "1999-02-13")),
        ("Last open", ("", "2024-02-03")),
        ("first_payment_at", ("", "2024-02-03")),
        ("digest_enabled", ("true", "false")),
        ("list_2", ("1", "0")),
        ("Send this subscriber HTML emails", ("1", "0")),
        ("(Do Not Modify) Contact", ("{A1}", "{A2}")),
        ("Signup form", ("manual", "footer")),
        ("Notes", ("out of office", "left a message")),
        ("Registered", ("2024-01-02", "2024-01-03")),
        ("Konto", ("yes", "yes")),
        ("Preferences", ("https://example.org/unsubscribe/7", "https://example.org/unsubscribe/8")),
    ],
)
def test_other_columns_do_not_stop_the_import(tmp_path: Path, heading: str, cells: tuple[str, str]) -> None:
    rows = read(tmp_path, f"email,{heading}\na@example.org,{cells[0]}\nb@example.org,{cells[1]}\n")
    assert [str(row.status) for row in rows] == [ACTIVE, ACTIVE]


def test_if_a_column_says_who_left_others_are_not_suspected(tmp_path: Path) -> None:
    text = "email,status,Konto\na@example.org,subscribed,yes\nb@example.org,unsubscribed,no\n"
    assert [str(row.status) for row in read(tmp_path, text)] == [ACTIVE, LEFT]
    with pytest.raises(UndecidedList, match="Konto"):
        opened(tmp_path, text.replace("unsubscribed", "subscribed"))


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "N/A", "undefined"])
def test_a_status_that_could_not_be_calculated_is_refused(tmp_path: Path, cell: str) -> None:
    rows = read(tmp_path, f"email,status,name\na@example.org,active,Mina\nb@example.org,{cell},#N/A\n")
    assert [bool(row.problem) for row in rows] == [False, True]
    assert read(tmp_path, "email,name\na@example.org,#N/A\n")[0].name == ""


def test_none_and_never_are_not_active(tmp_path: Path) -> None:
    found = opened(
        tmp_path, "email,status\na@example.org,active\nb@example.org,never\nc@example.org,None\nd@example.org,-\n"
    )
    assert [str(row.status) for row in found] == [ACTIVE, "pending", "pending", ACTIVE]
    assert found.notes[0].startswith("1 rows have nothing in «status»")
