"""Holds what `churnml init` recognises against a folder of sample exports: file, expected and found tool and object.

The expected tool is the folder's name, the expected object the file's; recognition itself goes by headings.

    python benchmarks/recognition.py [../shared/data/exports]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from churnml.sources.discovery import profile_files

_TOOLS = {
    "hubspot_ui": "hubspot",
    "jira_ui": "jira",
    "salesforce_report": "salesforce",
    "salesforce_rest": "salesforce",
    "zendesk_api": "zendesk",
}
"""Folders of one tool's other shapes."""

_OBJECTS = {
    "campaignmember": "campaign_members",
    "company": "companies",
    "feature_events_aggregation": "feature_events",
    "feature_history": "features",
    "incremental_tickets": "tickets",
    "opportunity": "opportunities",
    "page_history": "pages",
    "raw_events": "tracks",
    "raw_export": "events",
    "subscription_history": "subscriptions",
    "user_history": "users",
    **{f"activity_{step}_email": "activities" for step in ("send", "open", "click", "unsubscribe")},
    "activity_email_delivered": "activities",
}
"""Files that are called otherwise than the object; a plural is one word with its singular."""


def expected(path: Path) -> str:
    """Return tool and object as folder and file name them."""
    stem = re.sub(r"^(sf|marketo|zuora)_", "", path.stem)
    if stem not in _OBJECTS:
        stem = re.sub(r"_(data|redshift|report|report_de|query|queryall|export)$", "", stem)
    tool = _TOOLS.get(path.parent.name, path.parent.name)
    return f"{tool}/{_OBJECTS.get(stem, stem)}"


def same(one: str, other: str) -> bool:
    """Tell whether two names are one but for the plural."""
    return one.rstrip("s") == other.rstrip("s")


def main(folder: Path) -> int:
    """Print the table; return how many files are named wrongly."""
    wrong = files = 0
    for tool in sorted(path for path in folder.iterdir() if path.is_dir()):
        for file in profile_files(tool):
            files += 1
            wanted = expected(tool / file.path)
            found = file.known.name if file.known is not None else file.fault or "–"
            right = same(wanted, found)
            wrong += not right
            print(f"{'' if right else '!':<2}{tool.name}/{file.path:<60} {wanted:<40} {found}")
    print(f"{files - wrong} of {files} files: tool and object right")
    return wrong


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data" / "exports"
    if not chosen.is_dir():
        print(f"{chosen} is not there: nothing to hold against")
        sys.exit(0)
    sys.exit(min(main(chosen), 1))
