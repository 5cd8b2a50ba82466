"""Checks the form of database URLs, so that a mistake is explained before anything connects.

A message never contains a part of the URL: with one character in the wrong place, any part may be the password.
"""

import re
from collections.abc import Collection, Mapping

POSTGRESQL, MYSQL, MARIADB = "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql"
OWN = ("postgresql", POSTGRESQL)
NEWSROOM = (*OWN, MYSQL, MARIADB)

# The scheme of a database URL in other programs → the scheme in this program.
_MEANT: Mapping[str, str] = {
    **dict.fromkeys(("postgres", "postgresql", "pgsql", "psql"), POSTGRESQL),
    **dict.fromkeys(("mysql", "mysqli", "mysql2"), MYSQL),
    "mariadb": MARIADB,
}
_SERVER = re.compile(
    r"([^@:/?#]*(:[^@]*)?@)?([^@/?#:\s\[\]]*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?(?P<path>/[^@?]*)?(\?[^@]*)?"
)
_QUOTING = (
    "In the password, @ is written %40, : is %3A, / is %2F and % is %25, so that p@ss:w/rd becomes p%40ss%3Aw%2Frd"
)


def check(url: str, servers: Collection[str], forms: str, *, others: bool = False) -> None:
    """Raises ValueError if `url` is neither `sqlite:///FILE` nor a server's URL with one of the schemes in `servers`.
    `forms` describes the allowed forms for the message.

    With `others`, accepts the URLs of other kinds of databases unchecked, because an admin may have installed a driver.
    """
    for name, value in re.findall(r"[?&](\w*timeout)=([^&]*)", url):
        if not re.fullmatch(r"[0-9]{1,6}", value):
            raise ValueError(f"the parameter {name} should be a number of seconds")
    if re.fullmatch(r"sqlite:///\S.*", url):
        return
    scheme, colon, rest = url.partition("://")
    if not colon or not re.fullmatch(r"[\w+.-]+", scheme):
        raise ValueError(f"should be {forms}")
    if scheme not in servers:
        meant = _MEANT.get(scheme.lower().partition("+")[0], "")
        if others and not meant:
            return
        if meant not in servers:
            raise ValueError(f"should be {forms}")
        raise ValueError(f"should begin with {meant}://, not with {scheme}://: {meant}://USER:PASSWORD@HOST/NAME")
    found = _SERVER.fullmatch(rest)
    # If there are two @, SQLAlchemy reads a part of the password as the host, and shows that part in every error.
    if not found or (found["port"] and not 0 < int(found["port"]) <= 65535):
        raise ValueError(f"should be {scheme}://USER:PASSWORD@HOST:PORT/NAME, PORT a number. {_QUOTING}")
    if scheme in (MYSQL, MARIADB) and not (found["path"] or "").strip("/"):
        raise ValueError(f"should name the database: {scheme}://USER:PASSWORD@HOST:PORT/NAME")
