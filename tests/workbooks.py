"""Small Excel workbooks, good and hostile ones, written part by part."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'


def column(place: int) -> str:
    """The name of a column: 0 is A, 26 is AA."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(65 + rest) + name
    return name


def sheet(rows: Sequence[Sequence[object]]) -> str:
    """A sheet with texts as inline strings, numbers, and (as `(number,)`) dates in the style 1."""
    lines = []
    for line, row in enumerate(rows, 1):
        cells = "".join(_cell(f"{column(place)}{line}", value) for place, value in enumerate(row))
        lines.append(f'<row r="{line}">{cells}</row>')
    return f"<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def _cell(reference: str, value: object) -> str:
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c r="{reference}" s="1"><v>{value[0]}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value}</v></c>'
    return f'<c r="{reference}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>' if value else ""


def parts(sheets: Mapping[str, str], *, hidden: Sequence[str] = (), base_1904: bool = False) -> dict[str, str]:
    """The parts of a workbook with these sheets (name → XML)."""
    named, relations = [], []
    for number, name in enumerate(sheets, 1):
        state = ' state="hidden"' if name in hidden else ""
        named.append(f'<sheet name={quoteattr(name)} sheetId="{number}"{state} r:id="rId{number}"/>')
        relations.append(f'<Relationship Id="rId{number}" Target="worksheets/sheet{number}.xml"/>')
    properties = '<workbookPr date1904="1"/>' if base_1904 else ""
    found = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f"<workbook {_MAIN} {_RELATIONS}>{properties}<sheets>{''.join(named)}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{''.join(relations)}</Relationships>",
        "xl/styles.xml": f'<styleSheet {_MAIN}><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    return found | {f"xl/worksheets/sheet{number}.xml": xml for number, xml in enumerate(sheets.values(), 1)}


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            # A fixed time, because pytest names tests after their bytes, and all workers must use the same names.
            info = zipfile.ZipInfo(name, (2026, 11, 24, 8, 0, 0))
            made.writestr(info, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def workbook(
    *sheets: tuple[str, Sequence[Sequence[object]]], hidden: Sequence[str] = (), base_1904: bool = False
) -> bytes:
    """A workbook with these sheets (name, rows)."""
    return archive(parts({name: sheet(rows) for name, rows in sheets}, hidden=hidden, base_1904=base_1904))
