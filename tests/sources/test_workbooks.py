"""An Excel workbook as spreadsheets write it, read end to end."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd
import pytest

from churnml.errors import DataError

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DAY = 's="1"'  # the second style: a date


def _cell(value: Any) -> str:
    """Return a cell's XML: a number, a day, a text, or a formula (``=…``) with the text it last gave."""
    if isinstance(value, pd.Timestamp):
        return f"<c {_DAY}><v>{(value - pd.Timestamp('1899-12-30')).days}</v></c>"
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    if value.startswith('="'):
        return f'<c t="str"><f>{escape(value[1:])}</f><v>{escape(value[2:-1])}</v></c>'
    return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'


def workbook(**sheets: list[list[Any]]) -> bytes:
    """Return an .xlsx file with these sheets, each a list of rows."""
    names = list(sheets)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
            for n in range(len(names))
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r0" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n + 1}" r:id="s{n}"/>' for n, name in enumerate(names))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="style" Type="{_LINKS}/styles" Target="styles.xml"/>'
        + "".join(
            f'<Relationship Id="s{n}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(len(names))
        )
        + "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>",
    }
    for n, rows in enumerate(sheets.values()):
        lines = "".join(f"<row>{''.join(_cell(value) for value in row)}</row>" for row in rows)
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


HEADER = ["account_id", "name", "created_on"]


def test_ids_keep_their_zeros_and_get_no_decimals(raw, rows):
    """A formula that guards zeros gives its text, and a number that is an id is written as it is shown."""
    day = pd.Timestamp("2024-01-05")
    sheet = [HEADER, ['="00123"', "Acme & Sons", day], [1234.0, "Bolt", day], ["00077", "Cat", day]]
    raw.write("accounts.xlsx", workbook(accounts=sheet))
    logins = [
        f"{account},login,2026-01-{n:02d} 09:00:00\n" for account in ("00123", "1234", "00077") for n in range(1, 15)
    ]
    raw.write("events.csv", "account_id,event_type,occurred_at\n" + "".join(logins))
    loaded = raw.load()
    assert rows(loaded, "accounts", "account_id", "name", "created_on") == [
        {"account_id": "00077", "name": "Cat", "created_on": day},
        {"account_id": "00123", "name": "Acme & Sons", "created_on": day},
        {"account_id": "1234", "name": "Bolt", "created_on": day},
    ]
    joined = loaded.tables["events"].semi_join(loaded.tables["accounts"], "account_id")
    assert joined.count().execute() == len(logins)


def test_a_sheet_is_found_by_its_name(raw, rows):
    notes = [["made by hand"], ["do not sort"]]
    day = pd.Timestamp("2024-01-05")
    file = workbook(Notes=notes, Customers=[HEADER, *([account, f"Firm {account}", day] for account in "abc")])
    raw.write("accounts.xlsx", file, sheet="Customers")
    named = [{"account_id": account, "name": f"Firm {account}"} for account in "abc"]
    assert rows(raw.load(), "accounts", "account_id", "name") == named
    raw.write("accounts.xlsx", file, sheet="Customer")
    with pytest.raises(DataError, match="has no sheet 'Customer'") as refused:
        raw.load()
    assert "Notes, Customers" in str(refused.value)
    assert "sheet: Customers" in str(refused.value)
