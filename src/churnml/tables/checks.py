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
        "source missing",
        "The file, table or database that the config names exists.",
        "refused",
        "Correct `from` or `source` in the config.",
        "data.missing",
    ),
    Check(
        "CHK002",
        "source unreadable",
        "The file can be read as what it is: text in the stated encoding, closed quotes, a kind that is known.",
        "refused",
        "Export the table anew as CSV, JSON lines, Parquet or an Excel workbook.",
        "data.unreadable",
    ),
    Check(
        "CHK003",
        "empty table",
        "The raw table has rows, and `where` leaves some.",
        "refused",
        "Export the table anew, relax `where`, or remove the table from the config: its features are then off.",
        "data.empty",
    ),
    Check(
        "CHK004",
        "unknown column",
        "Every raw column that the mapping names exists.",
        "refused",
        "Correct the column's name in the config.",
        "data.unknown_column",
    ),
    Check(
        "CHK005",
        "SQL fails",
        "Every `expr` and `where` can be evaluated.",
        "refused",
        "Correct the SQL; it is DuckDB's dialect over the raw columns.",
        "data.sql",
    ),
    Check(
        "CHK006",
        "column not mapped",
        "Every column that a table cannot do without is mapped.",
        "refused",
        "Map a raw column to it, or give it a constant with `{value: …}`.",
        "data.unmapped_column",
    ),
    Check(
        "CHK007",
        "malformed line",
        "Every line of a CSV file has as many fields as its header.",
        "set aside",
        "Export the file anew with quoted text fields.",
        "data.malformed",
    ),
    Check(
        "CHK010",
        "required value missing",
        "Every required column has a value.",
        "set aside",
        "Complete the rows at the source, or leave them out with `where`.",
        "data.missing_value",
    ),
    Check(
        "CHK011",
        "date does not parse",
        "Every date and time that is needed can be read, its year written with four digits.",
        "set aside",
        "Give the column a `format`.",
        "data.unparseable_date",
    ),
    Check(
        "CHK012",
        "number does not parse",
        "Every number that is needed can be read, and is whole where the column counts something.",
        "set aside",
        'Set `decimal: ","` for 1.234,50, or map the column with an `expr` that leaves the number alone.',
        "data.unparseable_number",
    ),
    Check(
        "CHK013",
        "yes/no does not parse",
        "Every yes/no is one of true, t, yes, y, on, 1 or false, f, no, n, off, 0.",
        "set aside",
        "Map the words: `words: {はい: true, いいえ: false}`.",
        "data.unparseable_boolean",
    ),
    Check(
        "CHK014",
        "value out of range",
        "Every number that is needed lies within the range of its column.",
        "set aside",
        "Correct the rows at the source, or leave them out with `where`.",
        "data.out_of_range",
    ),
    Check(
        "CHK015",
        "unknown word",
        "Every word of a required enumeration is one that churnml knows.",
        "set aside",
        'Map the words with `words: {raw: canonical}`; `"*"` stands for every other word.',
        "data.unknown_word",
    ),
    Check(
        "CHK016",
        "end before start",
        "Nothing ends before it begins.",
        "set aside",
        "Check whether two columns are swapped or come from different time zones.",
        "data.end_before_start",
    ),
    Check(
        "CHK017",
        "date in the future",
        "Nothing that has happened is dated after today.",
        "set aside",
        "Correct the dates at the source.",
        "data.future_date",
    ),
    Check(
        "CHK018",
        "stray date",
        "No few rows lie far from all others in time: 1970-01-01 and the like would stretch the observed period.",
        "set aside",
        "Correct the dates at the source, or leave the rows out with `where`.",
        "data.stray_date",
    ),
    Check(
        "CHK019",
        "no plausible date",
        "What happened is dated from 2 January 1970 to 30 years ahead: 0001-01-01 and 1900-01-01 mean that there is no "
        "date, 0202 and 20260 are slips.",
        "set aside",
        "Correct the dates at the source, or map the column that really says when it happened.",
        "data.implausible_date",
    ),
    Check(
        "CHK020",
        "exact duplicate",
        "No row with an id of its own stands twice; of equal rows one is kept. Does not count towards "
        "`max_rejected_share`.",
        "set aside",
        "The row that is kept says the same; check whether the export holds the same file twice.",
        "data.exact_duplicate",
    ),
    Check(
        "CHK021",
        "duplicate key",
        "The key is unique; of conflicting rows the one known last is kept.",
        "set aside",
        "Map a key that is unique, or leave the older versions out with `where`.",
        "data.duplicate_key",
    ),
    Check(
        "CHK022",
        "unknown account",
        "Every account in the facts stands in `accounts`, where that table is mapped.",
        "set aside",
        "Compare the ids of both tables: are they of the same kind, and is the export of `accounts` complete?",
        "data.unknown_account",
    ),
    Check(
        "CHK023",
        "id that cannot be stored",
        "No account id is longer than 255 characters or holds control characters.",
        "set aside",
        "Map the column that identifies the account; this one seems to hold a text.",
        "data.impossible_id",
    ),
    Check(
        "CHK024",
        "equal rows without an id",
        "No row equals another one where the table has no id of its own; both count, unless `equal_rows` says `merge`.",
        "noted",
        "Map an id. If the rows are one fact that was exported twice, set `equal_rows: merge` on the table.",
        "data.equal_rows",
    ),
    Check(
        "CHK025",
        "rows left out by where",
        "`where` leaves no row out because its condition is neither true nor false, as `status <> 'draft'` is "
        "without a status.",
        "noted",
        "Say what an absent value means: `status IS DISTINCT FROM 'draft'`, or `coalesce(status, …)`.",
        "data.undecided_rows",
    ),
    Check(
        "CHK026",
        "ids that never meet",
        "The accounts of every table stand in the contracts (or in the largest other table), at least half of them.",
        "noted",
        "Compare the ids of both tables: both must name the account in the same way.",
        "data.ids_never_meet",
    ),
    Check(
        "CHK027",
        "one account has nearly everything",
        "No account has more than half of a table's rows where there are ten accounts or more.",
        "noted",
        "Check what the column mapped to account_id identifies; a row that names something else than the account is "
        "looked up with `via`.",
        "data.one_account",
    ),
    Check(
        "CHK028",
        "facts outside the account's life",
        "Facts lie between an account's sign-up and the end of its last contract.",
        "noted",
        "Check the time zone and the columns of both tables; if it is so, windows count them all the same.",
        "data.outside_life",
    ),
    Check(
        "CHK029",
        "contracts of MRR 0",
        "Every account has a contract with revenue.",
        "noted",
        "Choose `label.trials`: `count` (their end is churn, the default) or `leave_out`.",
        "data.trials",
    ),
    Check(
        "CHK030",
        "known before it happened",
        "No fact but a contract is known before it happens.",
        "changed and noted",
        "Check the column mapped to `known_at`; the time of the fact itself is used instead.",
        "data.known_early",
    ),
    Check(
        "CHK031",
        "unknown optional word",
        "Every word of an optional enumeration is one that churnml knows; others count as absent.",
        "changed and noted",
        'Map the words with `words: {raw: canonical}`; `"*"` stands for every other word.',
        "data.unknown_word",
    ),
    Check(
        "CHK032",
        "end without end",
        "An end 30 years ahead or more, such as 9999-12-31, or ten years behind every other one, such as 2049-12-31, "
        "means that there is none.",
        "changed and noted",
        "Nothing to do.",
        "data.endless",
    ),
    Check(
        "CHK033",
        "unreadable optional value",
        "Every date, number and yes/no that is not needed can be read; others count as absent, and their row stays.",
        "changed and noted",
        "Give the column a `format`, `decimal` or `words`, or correct the values at the source.",
        "data.unreadable_value",
    ),
    Check(
        "CHK034",
        "optional value out of range",
        "Every number that is not needed lies within the range of its column; others count as absent, their row stays.",
        "changed and noted",
        "Correct the values at the source, or map the column with an `expr` in the right unit.",
        "data.out_of_range",
    ),
    Check(
        "CHK035",
        "placeholder for no date",
        "An optional date before 2 January 1970 (0001-01-01, 1900-01-01), or 30 years ahead, means that there is none.",
        "changed and noted",
        "Nothing to do, if it is so; otherwise correct the dates at the source.",
        "data.placeholder_date",
    ),
    Check(
        "CHK036",
        "day in another zone",
        "A time with an offset has the day that it shows; the day in `timezone` (UTC by default) is taken.",
        "noted",
        "Set `timezone` on the column to the zone in which the days are meant.",
        "data.moved_day",
    ),
    Check(
        "CHK037",
        "several currencies",
        "A column of money is in one currency, by the signs of its values and by a column of currency codes beside it.",
        "noted",
        "Convert them with an `expr` (`amount * CASE currency WHEN 'EUR' THEN 1.08 ELSE 1 END`), or load one with "
        "`where`.",
        "data.several_currencies",
    ),
    Check(
        "CHK040",
        "too many rows set aside",
        "At most `source.max_rejected_share` of a table's rows are set aside.",
        "refused",
        "Follow the remedy of the largest reason, or raise `source.max_rejected_share`.",
        "data.too_many_rejected",
    ),
    Check(
        "CHK041",
        "no observed period",
        "The data holds at least one plausible dated fact.",
        "refused",
        "Map a table with dated facts.",
        "data.no_period",
    ),
    Check(
        "CHK042",
        "numbers that can be read in two ways",
        "Some value settles whether the point or the comma is the decimal sign: 1.250 alone is 1250 or 1.25.",
        "refused",
        'Set `decimal: ","` or `decimal: "."` on the column.',
        "data.ambiguous_number",
    ),
    Check(
        "CHK043",
        "table that ends early",
        "Every table reaches as far as the others, by the pace of its own facts.",
        "noted",
        "Export the table anew: what it does not hold yet looks as if it had not happened.",
        "data.stale_table",
    ),
    Check(
        "CHK044",
        "time without a zone",
        "A tool's times carry their zone, or the config tells it once for the whole source.",
        "refused",
        "Set `timezone` on the source.",
        "data.zone",
    ),
    Check(
        "CHK045",
        "date that reads two ways",
        "The dates of a tool's screens can be read in one way only, or the config says what stands first.",
        "refused",
        "Set `date_order` on the source.",
        "data.date_order",
    ),
    Check(
        "CHK046",
        "broken Salesforce id",
        "The check letters of an id of 18 characters fit its other characters.",
        "set aside",
        "A spreadsheet or a program changed the case of its letters: export anew, and keep ids as text.",
        "data.salesforce_id",
    ),
    Check(
        "CHK047",
        "amounts of several currencies",
        "All amounts are in the company's currency, or a dated table converts them.",
        "refused",
        "Name a dated table with `rates`.",
        "data.currency",
    ),
    Check(
        "CHK048",
        "records merged in a circle",
        "Every record that was merged has one survivor in the end.",
        "refused",
        "Correct the tool's records or the table of identities.",
        "data.merge",
    ),
    Check(
        "CHK049",
        "records of a tool that are no known account",
        "Every record of a tool with facts is one account.",
        "noted",
        "Complete the file of unmatched records and name it in `identities`.",
        "data.identity",
    ),
    Check(
        "CHK050",
        "a column that looks personal",
        "No column that is read looks like a person's e-mail address, phone number, name, IP or postal address.",
        "noted",
        "Leave it out unless it is a person's id; ids are never features.",
        "data.personal",
    ),
    Check(
        "CHK051",
        "personal data where words become features",
        "Kinds of events, categories, plans and account attributes do not name persons.",
        "refused",
        "Map another column, or leave it out with `null`.",
        "data.personal",
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
