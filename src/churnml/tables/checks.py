"""What is checked in the raw data: one list of coded checks, and how one of them went.

A check ends *ok*, *failed* or *not applicable*. What a failed check does stands in `Check.consequence`; nothing it
does is silent: rows that are set aside are counted and written to the rejected file, values that are changed are noted.
"""

from __future__ import annotations

from churnml.tables.check import Check, CheckResult

__all__ = ["CHECKS", "Check", "CheckResult", "checks_markdown"]

_DEFINITIONS: tuple[Check, ...] = (
    Check(
        "CHK001",
        "The file, table or database that the config names exists.",
        "refused",
        "data.missing",
    ),
    Check(
        "CHK002",
        "The file can be read as what it is: text in the stated encoding, closed quotes, a kind that is known.",
        "refused",
        "data.unreadable",
    ),
    Check(
        "CHK003",
        "The raw table has rows, and `where` leaves some.",
        "refused",
        "data.empty",
    ),
    Check(
        "CHK004",
        "Every raw column that the mapping names exists.",
        "refused",
        "data.unknown_column",
    ),
    Check(
        "CHK005",
        "Every `expr` and `where` can be evaluated.",
        "refused",
        "data.sql",
    ),
    Check(
        "CHK006",
        "Every column that a table cannot do without is mapped.",
        "refused",
        "data.unmapped_column",
    ),
    Check(
        "CHK007",
        "Every line of a CSV file has as many fields as its header.",
        "set aside",
        "data.malformed",
    ),
    Check(
        "CHK010",
        "Every required column has a value.",
        "set aside",
        "data.missing_value",
    ),
    Check(
        "CHK011",
        "Every date and time that is needed can be read, its year written with four digits.",
        "set aside",
        "data.unparseable_date",
    ),
    Check(
        "CHK012",
        "Every number that is needed can be read, and is whole where the column counts something.",
        "set aside",
        "data.unparseable_number",
    ),
    Check(
        "CHK013",
        "Every yes/no is one of true, t, yes, y, on, 1 or false, f, no, n, off, 0.",
        "set aside",
        "data.unparseable_boolean",
    ),
    Check(
        "CHK014",
        "Every number that is needed lies within the range of its column.",
        "set aside",
        "data.out_of_range",
    ),
    Check(
        "CHK015",
        "Every word of a required enumeration is one that churnml knows.",
        "set aside",
        "data.unknown_word",
    ),
    Check(
        "CHK016",
        "Nothing ends before it begins.",
        "set aside",
        "data.end_before_start",
    ),
    Check(
        "CHK017",
        "Nothing that has happened is dated after today.",
        "set aside",
        "data.future_date",
    ),
    Check(
        "CHK018",
        "No few rows lie far from all others in time: 1970-01-01 and the like would stretch the observed period.",
        "set aside",
        "data.stray_date",
    ),
    Check(
        "CHK019",
        "What happened is dated from 2 January 1970 to 30 years ahead: 0001-01-01 and 1900-01-01 mean that there is no "
        "date, 0202 and 20260 are slips.",
        "set aside",
        "data.implausible_date",
    ),
    Check(
        "CHK020",
        "No row with an id of its own stands twice; of equal rows one is kept. Does not count towards "
        "`max_rejected_share`.",
        "set aside",
        "data.exact_duplicate",
    ),
    Check(
        "CHK021",
        "The key is unique; of conflicting rows the one known last is kept.",
        "set aside",
        "data.duplicate_key",
    ),
    Check(
        "CHK022",
        "Every account in the facts stands in `accounts`, where that table is mapped.",
        "set aside",
        "data.unknown_account",
    ),
    Check(
        "CHK023",
        "No account id is longer than 255 characters or holds control characters.",
        "set aside",
        "data.impossible_id",
    ),
    Check(
        "CHK024",
        "No row equals another one where the table has no id of its own; both count, unless `equal_rows` says `merge`.",
        "noted",
        "data.equal_rows",
    ),
    Check(
        "CHK025",
        "`where` leaves no row out because its condition is neither true nor false, as `status <> 'draft'` is "
        "without a status.",
        "noted",
        "data.undecided_rows",
    ),
    Check(
        "CHK026",
        "The accounts of every table stand in the contracts (or in the largest other table), at least half of them.",
        "noted",
        "data.ids_never_meet",
    ),
    Check(
        "CHK027",
        "No account has more than half of a table's rows where there are ten accounts or more.",
        "noted",
        "data.one_account",
    ),
    Check(
        "CHK028",
        "Facts lie between an account's sign-up and the end of its last contract.",
        "noted",
        "data.outside_life",
    ),
    Check(
        "CHK029",
        "Every account has a contract with revenue.",
        "noted",
        "data.trials",
    ),
    Check(
        "CHK030",
        "No fact but a contract is known before it happens.",
        "changed and noted",
        "data.known_early",
    ),
    Check(
        "CHK031",
        "Every word of an optional enumeration is one that churnml knows; others count as absent.",
        "changed and noted",
        "data.unknown_word",
    ),
    Check(
        "CHK032",
        "An end 30 years ahead or more, such as 9999-12-31, or ten years behind every other one, such as 2049-12-31, "
        "means that there is none.",
        "changed and noted",
        "data.endless",
    ),
    Check(
        "CHK033",
        "Every date, number and yes/no that is not needed can be read; others count as absent, and their row stays.",
        "changed and noted",
        "data.unreadable_value",
    ),
    Check(
        "CHK034",
        "Every number that is not needed lies within the range of its column; others count as absent, their row stays.",
        "changed and noted",
        "data.out_of_range",
    ),
    Check(
        "CHK035",
        "An optional date before 2 January 1970 (0001-01-01, 1900-01-01), or 30 years ahead, means that there is none.",
        "changed and noted",
        "data.placeholder_date",
    ),
    Check(
        "CHK036",
        "A time with an offset has the day that it shows; the day in `timezone` (UTC by default) is taken.",
        "noted",
        "data.moved_day",
    ),
    Check(
        "CHK037",
        "A column of money is in one currency, by the signs of its values and by a column of currency codes beside it.",
        "noted",
        "data.several_currencies",
    ),
    Check(
        "CHK040",
        "At most `source.max_rejected_share` of a table's rows are set aside.",
        "refused",
        "data.too_many_rejected",
    ),
    Check(
        "CHK041",
        "The data holds at least one plausible dated fact.",
        "refused",
        "data.no_period",
    ),
    Check(
        "CHK042",
        "Some value settles whether the point or the comma is the decimal sign: 1.250 alone is 1250 or 1.25.",
        "refused",
        "data.ambiguous_number",
    ),
    Check(
        "CHK043",
        "Every table reaches as far as the others, by the pace of its own facts.",
        "noted",
        "data.stale_table",
    ),
    Check(
        "CHK044",
        "A tool's times carry their zone, or the config tells it once for the whole source.",
        "refused",
        "data.zone",
    ),
    Check(
        "CHK045",
        "The dates of a tool's screens can be read in one way only, or the config says what stands first.",
        "refused",
        "data.date_order",
    ),
    Check(
        "CHK046",
        "The check letters of an id of 18 characters fit its other characters.",
        "set aside",
        "data.salesforce_id",
    ),
    Check(
        "CHK047",
        "All amounts are in the company's currency, or a dated table converts them.",
        "refused",
        "data.currency",
    ),
    Check(
        "CHK048",
        "Every record that was merged has one survivor in the end.",
        "refused",
        "data.merge",
    ),
    Check(
        "CHK049",
        "Every record of a tool with facts is one account.",
        "noted",
        "data.identity",
    ),
    Check(
        "CHK050",
        "No column that is read looks like a person's e-mail address, phone number, name, IP or postal address.",
        "noted",
        "data.personal",
    ),
    Check(
        "CHK051",
        "Kinds of events, categories, plans and account attributes do not name persons.",
        "refused",
        "data.personal",
    ),
    Check(
        "CHK052",
        "No account is part of itself, over however many others.",
        "refused",
        "data.parents",
    ),
    Check(
        "CHK053",
        "Every account that others are part of is in the accounts table.",
        "noted",
        "data.parents",
    ),
)

CHECKS: dict[str, Check] = {check.code: check for check in _DEFINITIONS}
"""The checks of raw data, by code."""


def checks_markdown() -> str:
    """Return the checks of raw data as a Markdown table.

    Examples
    --------
    >>> print(checks_markdown().splitlines()[2])
    | CHK001 | source missing | The file, table or database that the config names exists. | refused |
      Correct `from` or `source` in the config. |
    """
    lines = ["| code | name | what holds when it is ok | otherwise | remedy |", "|---|---|---|---|---|"]
    lines += [
        f"| {check.code} | {check.name} | {check.meaning} | {check.consequence} | {check.remedy} |"
        for check in CHECKS.values()
    ]
    return "\n".join(lines) + "\n"
