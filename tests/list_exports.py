"""Lists of people as other systems export them, and what becomes of each person.

Every row of the first table in docs/lists.md has its export here; tests/sources/test_list_exports.py compares them. All
people are invented.
"""

from typing import NamedTuple


class Person(NamedTuple):
    """The expected value of a row; dates are ISO days, "" if unknown."""

    status: str
    name: str = ""
    consent: str = ""
    left: str = ""
    sections: tuple[str, ...] = ()


class Export(NamedTuple):
    """An export of one system: the file's name and text, the column of addresses, and the people by address."""

    file: str
    text: str
    address: str
    people: dict[str, Person]
    lists: tuple[str, ...] = ()


def rows(*lines: str) -> str:
    return "\n".join(lines) + "\n"


_MAILCHIMP = (
    "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,"
    "CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{more}LEID,EUID,NOTES,TAGS"
)
_PLACE = "35.7,51.4,3.5,3.5,Asia/Tehran,ir,23"

EXPORTS = {
    "listmonk": Export(
        "subscribers.csv",
        rows(
            "uuid,email,name,attributes,status,created_at,updated_at",
            '5f0c,mina@example.org,مینا,"{""city"": ""Shiraz""}",enabled,2024-03-01T10:00:00.123456Z,2024-03-01T10:00:00Z',
            "5f0d,off@example.org,Off,{},disabled,2024-03-01T10:00:00Z,2024-03-01T10:00:00Z",
            "5f0e,black@example.org,Black,{},blocklisted,2024-03-01T10:00:00Z,2025-01-01T10:00:00Z",
        ),
        "email",
        {
            "mina@example.org": Person("active", "مینا", "2024-03-01"),
            "off@example.org": Person("unsubscribed", "Off", "2024-03-01"),
            "black@example.org": Person("unsubscribed", "Black", "2024-03-01"),
        },
    ),
    "Mailchimp, subscribed": Export(
        "subscribed_email_audience_export_1a2b.csv",
        rows(
            _MAILCHIMP.format(more="LAST_CHANGED,"),
            'mina@example.org,مینا,راد,"12 Main St\nShiraz",0912,04/12,4,"2020-01-02 03:04:05",192.0.2.1,'
            f'"2020-01-03 03:04:05",192.0.2.1,{_PLACE},"2021-01-01 00:00:00",77,ab12,"called twice","""سیاست"",""VIP"""',
            f"plain@example.org,,,,,,2,,,2022-05-06 07:08:09,,{_PLACE},2022-05-06 07:08:09,78,ab13,,",
        ),
        "Email Address",
        {
            "mina@example.org": Person("active", "مینا راد", "2020-01-03", sections=("سیاست",)),
            "plain@example.org": Person("active", "", "2022-05-06"),
        },
    ),
    "Mailchimp, unsubscribed": Export(
        "unsubscribed_email_audience_export_1a2b.csv",
        rows(
            _MAILCHIMP.format(
                more="UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,"
            ),
            f"gone@example.org,Gone,Reader,,,,2,2020-01-02 03:04:05,,2020-01-02 03:04:05,,{_PLACE},2024-05-06 07:08:09,"
            "Weekly 12,9f,NORMAL,,79,ab14,,",
        ),
        "Email Address",
        {"gone@example.org": Person("unsubscribed", "Gone Reader", "2020-01-02", "2024-05-06")},
    ),
    "Mailchimp, cleaned": Export(
        "cleaned_email_audience_export_1a2b.csv",
        rows(
            _MAILCHIMP.format(more="CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,"),
            f"dead@example.org,,,,,,1,2020-01-02 03:04:05,,2020-01-02 03:04:05,,{_PLACE},2023-02-03 04:05:06,"
            "Weekly 9,9e,80,ab15,,",
        ),
        "Email Address",
        {"dead@example.org": Person("bounced", "", "2020-01-02", "2023-02-03")},
    ),
    "Mailchimp, nonsubscribed": Export(
        "nonsubscribed_email_audience_export_1a2b.csv",
        rows(
            _MAILCHIMP.format(more="LAST_CHANGED,"),
            f"buyer@example.org,Buyer,,,,,2,,,,,{_PLACE},2022-05-06 07:08:09,81,ab16,,",
        ),
        "Email Address",
        {"buyer@example.org": Person("pending", "Buyer")},
    ),
    "Ghost": Export(
        "members.csv",
        rows(
            "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers",
            '6a,mina@example.org,مینا,,true,false,cus_1,2024-01-02T03:04:05.000Z,,"سیاست,vip",',
            "6b,gone@example.org,Gone,,false,,,2024-01-02T03:04:05.000Z,,,",
            "6c,erased@example.org,Erased,,true,,,2024-01-02T03:04:05.000Z,2025-06-07T03:04:05.000Z,,",
        ),
        "email",
        {
            "mina@example.org": Person("active", "مینا", "2024-01-02", sections=("سیاست",)),
            "gone@example.org": Person("unsubscribed", "Gone", "2024-01-02"),
            "erased@example.org": Person("unsubscribed", "Erased", "2024-01-02", "2025-06-07"),
        },
    ),
    "Substack": Export(
        "email_list.example.csv",
        rows(
            "email,active_subscription,expiry,plan,email_disabled,digest_enabled,created_at,first_payment_at",
            "free@example.org,false,,other,false,true,2024-01-02T03:04:05.000Z,",
            "paid@example.org,true,2026-12-01T00:00:00.000Z,yearly,false,false,2024-02-01T10:00:00.000Z,2024-02-01T10:00:00.000Z",
            "gone@example.org,false,,other,true,false,2024-01-02T03:04:05.000Z,",
        ),
        "email",
        {
            "free@example.org": Person("active", "", "2024-01-02"),
            "paid@example.org": Person("active", "", "2024-02-01"),
            "gone@example.org": Person("unsubscribed", "", "2024-01-02"),
        },
    ),
    "MailPoet": Export(
        "MailPoet_export.csv",
        "\ufeff"
        + rows(
            '"Email","First name","Last name","Subscription time","Confirmation time","List status","Global status","List"',
            '"mina@example.org","مینا","راد \\"م\\"","2024-01-02 03:04:05","2024-01-03 03:04:05","subscribed","subscribed","News"',
            '"left@example.org","Left","","2024-01-02 03:04:05","","unsubscribed","subscribed","News"',
            '"all@example.org","All","","2024-01-02 03:04:05","","subscribed","unsubscribed","Sport"',
            '"never@example.org","","","2024-01-02 03:04:05","","subscribed","unconfirmed","News"',
            '"dead@example.org","","","2024-01-02 03:04:05","","subscribed","bounced","News"',
            '"sport@example.org","","","2024-01-02 03:04:05","","unsubscribed","subscribed","Sport"',
        ),
        "Email",
        {
            "mina@example.org": Person("active", 'مینا راد "م"', "2024-01-03"),
            "left@example.org": Person("unsubscribed", "Left", "2024-01-02"),
            "all@example.org": Person("unsubscribed", "All", "2024-01-02"),
            "never@example.org": Person("pending", "", "2024-01-02"),
            "dead@example.org": Person("bounced", "", "2024-01-02"),
            "sport@example.org": Person("None", "", "2024-01-02"),
        },
        ("News",),
    ),
    "Mailman, list_members": Export(
        "members.txt",
        rows("Mina Rad <mina@example.org>", '"Karimi, Reza" <reza@example.org>', "plain@example.org"),
        "column 1",
        {
            "mina@example.org": Person("active", "Mina Rad"),
            "reza@example.org": Person("active", "Karimi, Reza"),
            "plain@example.org": Person("active"),
        },
    ),
    "Mailman, Postorius": Export(
        "list.example.org.csv",
        rows("Subscribed Addresses", "mina@example.org", "reza@example.org"),
        "Subscribed Addresses",
        {"mina@example.org": Person("active"), "reza@example.org": Person("active")},
    ),
    "phpList": Export(
        "phpList Export on News from 2020-01-01 to 2024-01-01 (2024-Jan-01).csv",
        rows(
            "Email\tIs this subscriber confirmed (1/0)\tIs this subscriber blacklisted (1/0)\t"
            "Did this subscriber manually confirm\tNumber of bounces on this subscriber\tEntered\tLast Modified\t"
            "Unique ID for subscriber\tSend this subscriber HTML emails\tList Membership",
            "mina@example.org\t1\t0\t0\t2\t2020-01-02 03:04:05\t2021-01-02 03:04:05\tf00\t1\tNews Sport ",
            "black@example.org\t1\t1\t0\t0\t2020-01-02 03:04:05\t2021-01-02 03:04:05\tf01\t1\tSport ",
            "never@example.org\t0\t0\t0\t0\t2020-01-02 03:04:05\t2021-01-02 03:04:05\tf02\t1\tNews ",
            "none@example.org\t1\t0\t0\t0\t2020-01-02 03:04:05\t2021-01-02 03:04:05\tf03\t1\tNo Lists",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "", "2020-01-02"),
            "black@example.org": Person("unsubscribed", "", "2020-01-02"),
            "never@example.org": Person("pending", "", "2020-01-02"),
            "none@example.org": Person("None", "", "2020-01-02"),
        },
        ("News",),
    ),
    "Mautic": Export(
        "contacts.csv",
        rows(
            "id,title,firstname,lastname,email,mobile,points,dateAdded,doNotContact",
            "7,,Mina,Rad,mina@example.org,,0,2024-01-02 03:04:05,0",
            "8,,Gone,,gone@example.org,,0,2024-01-02 03:04:05,1",
        ),
        "email",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "gone@example.org": Person("unsubscribed", "Gone", "2024-01-02"),
        },
    ),
    "Brevo (Sendinblue)": Export(
        "contact_export_1700000000.csv",
        rows(
            "CONTACT ID;EMAIL;FIRSTNAME;LASTNAME;SMS;WHATSAPP;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME",
            "1;mina@example.org;Mina;Rad;;;0;1;2024-01-02 03:04:05;2024-01-02 03:04:05",
            "2;black@example.org;Black;;;;1;0;2024-01-02 03:04:05;2024-01-02 03:04:05",
        ),
        "EMAIL",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "black@example.org": Person("unsubscribed", "Black", "2024-01-02"),
        },
    ),
    "Sendy": Export(
        "all-subscribers.csv",
        rows(
            "Name,Email,Last activity,Status",
            '"مینا",mina@example.org,2024-01-02,Active',
            "Never,never@example.org,2024-01-02,Unconfirmed",
            "Left,left@example.org,2024-01-02,Unsubscribed",
            "Dead,dead@example.org,2024-01-02,Bounced",
            "Spam,spam@example.org,2024-01-02,Marked as spam",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "مینا"),
            "never@example.org": Person("pending", "Never"),
            "left@example.org": Person("unsubscribed", "Left"),
            "dead@example.org": Person("bounced", "Dead"),
            "spam@example.org": Person("complained", "Spam"),
        },
    ),
    "WordPress, «Newsletter»": Export(
        "newsletter-subscribers.csv",
        rows(
            '"email";"name";"surname";"sex";"status";"date";"token";"list_1";"list_2"',
            '"mina@example.org";"مینا";"راد";"f";"C";"2023-01-02 03:04:05";"t1";"1";"0"',
            '"never@example.org";"";"";"n";"S";"2023-01-02 03:04:05";"t2";"1";"0"',
            '"left@example.org";"";"";"n";"U";"2023-01-02 03:04:05";"t3";"0";"0"',
            '"dead@example.org";"";"";"n";"B";"2023-01-02 03:04:05";"t4";"1";"0"',
            '"angry@example.org";"";"";"n";"P";"2023-01-02 03:04:05";"t5";"1";"0"',
        ),
        "email",
        {
            "mina@example.org": Person("active", "مینا راد", "2023-01-02"),
            "never@example.org": Person("pending", "", "2023-01-02"),
            "left@example.org": Person("unsubscribed", "", "2023-01-02"),
            "dead@example.org": Person("bounced", "", "2023-01-02"),
            "angry@example.org": Person("complained", "", "2023-01-02"),
        },
    ),
    "WordPress.com, Jetpack": Export(
        "subscribers.csv",
        rows(
            "Email address,Name,Subscription type,Email subscription,Since",
            "mina@example.org,Mina,Free,Subscribed,2024-01-02 03:04:05",
            "reader@example.org,,Free,Not subscribed,2024-01-02 03:04:05",
            "never@example.org,,Free,Not confirmed,2024-01-02 03:04:05",
            "blocked@example.org,,Free,Not sending,2024-01-02 03:04:05",
        ),
        "Email address",
        {
            "mina@example.org": Person("active", "Mina", "2024-01-02"),
            "reader@example.org": Person("pending", "", "2024-01-02"),
            "never@example.org": Person("pending", "", "2024-01-02"),
            "blocked@example.org": Person("unsubscribed", "", "2024-01-02"),
        },
    ),
    "Google Contacts": Export(
        "contacts.csv",
        rows(
            "First Name,Middle Name,Last Name,Notes,Photo,Labels,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Label,"
            "E-mail 2 - Value,Phone 1 - Value,Address 1 - Formatted",
            'Mina,,Rad,"met in Shiraz\nspeaks French",,سیاست ::: * myContacts,* Work,mina@example.org,Home,'
            'mina.home@example.org,0912,"12 Main St\nShiraz"',
            "No,,Mail,,,* myContacts,,,,,0913,",
        ),
        "E-mail 1 - Value",
        {"mina@example.org": Person("active", "Mina Rad", sections=("سیاست",)), "": Person("active", "No Mail")},
    ),
    "Google Groups": Export(
        "members.csv",
        rows(
            "Members for group news",
            "Email address,Nickname,Group status,Email status,Email preference,Posting permissions,Join year,Join month",
            "mina@example.org,Mina,member,,All email,allowed,2024,1",
            "off@example.org,,member,,No email,allowed,2024,1",
            "dead@example.org,,member,bouncing,All email,allowed,2024,1",
            "never@example.org,,invited,,All email,allowed,2024,1",
            "banned@example.org,,banned,,All email,allowed,2024,1",
        ),
        "Email address",
        {
            "mina@example.org": Person("active", "Mina"),
            "off@example.org": Person("unsubscribed"),
            "dead@example.org": Person("bounced"),
            "never@example.org": Person("pending"),
            "banned@example.org": Person("unsubscribed"),
        },
    ),
    "Outlook": Export(
        "contacts.CSV",
        rows(
            '"First Name","Middle Name","Last Name","Company","Business Street","Business State","Home Street",'
            '"Categories","E-mail Address","E-mail Type","E-mail Display Name","E-mail 2 Address"',
            '"Mina","","Rad","Example","12 Main St\r\nFloor 2","","","سیاست","mina@example.org","SMTP",'
            '"Mina Rad (mina@example.org)","mina2@example.org"',
        ),
        "E-mail Address",
        {"mina@example.org": Person("active", "Mina Rad", sections=("سیاست",))},
    ),
    "Excel, Persian headings": Export(
        "readers.csv",
        rows(
            "ردیف;نام;نام خانوادگی;آدرس ایمیل;وضعیت;تاریخ عضویت",
            "۱;مینا;راد;mina@example.org;فعال;۱۴۰۲/۱۱/۰۷",
            "۲;رضا;;reza@example.org;لغو شده;۱۴۰۲/۱۱/۰۷",
            "۳;;;dead@example.org;برگشتی;",
        ),
        "آدرس ایمیل",
        {
            "mina@example.org": Person("active", "مینا راد", "2024-01-27"),
            "reza@example.org": Person("unsubscribed", "رضا", "2024-01-27"),
            "dead@example.org": Person("bounced"),
        },
    ),
    "AcyMailing": Export(
        "export_2024.csv",
        rows(
            '"name","email","creation_date","active","confirmed","source"',
            '"Mina","mina@example.org","1704164645","1","1","form"',
            '"Off","off@example.org","1704164645","0","1","form"',
            '"Never","never@example.org","1704164645","1","0","form"',
        ),
        "email",
        {
            "mina@example.org": Person("active", "Mina", "2024-01-02"),
            "off@example.org": Person("unsubscribed", "Off", "2024-01-02"),
            "never@example.org": Person("pending", "Never", "2024-01-02"),
        },
    ),
    "MailerLite": Export(
        "subscribers.csv",
        rows(
            "Email,Name,Last name,Status,Subscribed,Unsubscribed,Bounced,Junk",
            "mina@example.org,Mina,Rad,active,2024-01-02 03:04:05,,,",
            "left@example.org,Left,,unsubscribed,2024-01-02 03:04:05,2024-05-06 07:08:09,,",
            "dead@example.org,Dead,,bounced,2024-01-02 03:04:05,,2024-05-06 07:08:09,",
            "spam@example.org,Spam,,junk,2024-01-02 03:04:05,,,2024-05-06 07:08:09",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "Left", "2024-01-02", "2024-05-06"),
            "dead@example.org": Person("bounced", "Dead", "2024-01-02", "2024-05-06"),
            "spam@example.org": Person("complained", "Spam", "2024-01-02", "2024-05-06"),
        },
    ),
    "Constant Contact": Export(
        "contact_export.csv",
        rows(
            "Email address,First name,Last name,Email status,Email permission status,Confirmed Opt-Out Date,"
            "Confirmed Opt-Out Source,Confirmed Opt-Out Reason,Email Lists,Created At",
            'mina@example.org,Mina,Rad,Active,Express,,,,"News, Sport",2024-01-02 03:04:05',
            "left@example.org,Left,,Unsubscribed,Express,2024-05-06 07:08:09,Contact,too many mails,News,2024-01-02 03:04:05",
            "sport@example.org,,,Active,Implied,,,,Sport,2024-01-02 03:04:05",
        ),
        "Email address",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "Left", "2024-01-02", "2024-05-06"),
            "sport@example.org": Person("None", "", "2024-01-02"),
        },
        ("News",),
    ),
    "HubSpot": Export(
        "hubspot-crm-exports.csv",
        rows(
            "Record ID,First Name,Last Name,Email,Contact owner,Create Date,Unsubscribed from all email,"
            "Email hard bounce reason",
            "1,Mina,Rad,mina@example.org,editor@example.net,2024-01-02 03:04,false,",
            "2,Left,,left@example.org,editor@example.net,2024-01-02 03:04,true,",
            "3,Dead,,dead@example.org,editor@example.net,2024-01-02 03:04,,UNKNOWN_USER",
            "4,None,,,editor@example.net,2024-01-02 03:04,,",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "Left", "2024-01-02"),
            "dead@example.org": Person("bounced", "Dead", "2024-01-02"),
            "": Person("active", "None", "2024-01-02"),
        },
    ),
    "Kit (ConvertKit)": Export(
        "subscribers.csv",
        rows(
            "first_name,email_address,state,created_at,tags",
            "Mina,mina@example.org,active,2024-01-02,سیاست",
            "Never,never@example.org,inactive,2024-01-02,",
            "Left,left@example.org,cancelled,2024-01-02,",
            "Dead,dead@example.org,bounced,2024-01-02,",
            "Spam,spam@example.org,complained,2024-01-02,",
        ),
        "email_address",
        {
            "mina@example.org": Person("active", "Mina", "2024-01-02", sections=("سیاست",)),
            "never@example.org": Person("unsubscribed", "Never", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "Left", "2024-01-02"),
            "dead@example.org": Person("bounced", "Dead", "2024-01-02"),
            "spam@example.org": Person("complained", "Spam", "2024-01-02"),
        },
    ),
    "Beehiiv": Export(
        "beehiiv_export.csv",
        rows(
            "Email,Status,Created At,Subscription Tier,Unsubscribed At",
            "mina@example.org,active,2024-01-02 03:04:05,free,",
            "left@example.org,inactive,2024-01-02 03:04:05,free,2024-05-06 07:08:09",
            "never@example.org,pending,2024-01-02 03:04:05,free,",
            "bad@example.org,invalid,2024-01-02 03:04:05,free,",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "", "2024-01-02", "2024-05-06"),
            "never@example.org": Person("pending", "", "2024-01-02"),
            "bad@example.org": Person("bounced", "", "2024-01-02"),
        },
    ),
    "Buttondown": Export(
        "subscribers.csv",
        rows(
            "email,notes,tags,type,creation_date,unsubscription_date,unsubscription_reason",
            "mina@example.org,,,regular,2024-01-02T03:04:05Z,,",
            "left@example.org,,,unsubscribed,2024-01-02T03:04:05Z,2024-05-06T07:08:09Z,too often",
            "never@example.org,,,unactivated,2024-01-02T03:04:05Z,,",
        ),
        "email",
        {
            "mina@example.org": Person("active", "", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "", "2024-01-02", "2024-05-06"),
            "never@example.org": Person("pending", "", "2024-01-02"),
        },
    ),
    "Klaviyo": Export(
        "profiles.csv",
        rows(
            "Email,First Name,Last Name,Email Marketing Consent,Date Added,Unsubscribe Time",
            "mina@example.org,Mina,Rad,SUBSCRIBED,2024-01-02 03:04:05,",
            "never@example.org,,,NEVER_SUBSCRIBED,2024-01-02 03:04:05,",
            "left@example.org,,,UNSUBSCRIBED,2024-01-02 03:04:05,2024-05-06 07:08:09",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "Mina Rad", "2024-01-02"),
            "never@example.org": Person("pending", "", "2024-01-02"),
            "left@example.org": Person("unsubscribed", "", "2024-01-02", "2024-05-06"),
        },
    ),
    "Shopify": Export(
        "customers_export.csv",
        rows(
            "First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,Accepts SMS Marketing,Tags",
            'Mina,Rad,mina@example.org,yes,,no,"سیاست, vip"',
            "No,,no@example.org,no,,no,",
        ),
        "Email",
        {
            "mina@example.org": Person("active", "Mina Rad", sections=("سیاست",)),
            "no@example.org": Person("unsubscribed", "No"),
        },
    ),
    "this program": Export(
        "out.csv",
        rows(
            "email,name,sections,status,consent date,source",
            "mina@example.org,مینا,سیاست|اقتصاد,active,2024-01-02T03:04:05Z,form",
            "'=left@example.org,'=name,,unsubscribed,,list.csv",
            "dead@example.org,,,bounced,,",
            "spam@example.org,,,complained,,",
            "never@example.org,,,pending,,",
            "kept@example.org,,,suppressed,,",
        ),
        "email",
        {
            "mina@example.org": Person("active", "مینا", "2024-01-02", sections=("سیاست", "اقتصاد")),
            "=left@example.org": Person("unsubscribed", "=name"),
            "dead@example.org": Person("bounced"),
            "spam@example.org": Person("complained"),
            "never@example.org": Person("pending"),
            "kept@example.org": Person("unsubscribed"),
        },
    ),
}
