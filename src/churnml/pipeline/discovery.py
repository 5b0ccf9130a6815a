"""`churnml init`: looks at raw files and writes a config that maps them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from churnml.errors import UsageError
from churnml.files import write_text
from churnml.language import Text
from churnml.progress import Stages
from churnml.sources.discovery import (
    Proposal,
    Question,
    answered,
    profile_files,
    propose,
    questions_of,
    write_config,
)

__all__ = ["init"]


def init(
    folders: Sequence[Path],
    out: Path,
    stages: Stages | None = None,
    *,
    overwrite: bool = False,
    ask: Callable[[Question], str | None] | None = None,
    language: str = "en",
) -> Proposal:
    """Profile the files of one or more folders, archives or databases and write a config that maps them.

    Parameters
    ----------
    folders : sequence of Path
        Where the raw files are, or single files such as archives and databases; with several, their paths start at
        the folder that holds them all.
    out : Path
        The config to write.
    stages : Stages, optional
        Told of progress.
    overwrite : bool
        Replace a config that is there.
    ask : callable, optional
        Asked what only a person knows; returns the answer, or None for the marked default.
    language : str
        What the company's people read; it stands in the config.

    Raises
    ------
    UsageError
        A folder is missing, the config is there already, or the folders hold nothing to predict from.
    """
    stages = stages or Stages()
    for folder in folders:
        if not folder.exists():
            raise UsageError(Text.of("fault-no_folder"), where=str(folder))
    if out.exists() and not overwrite:
        raise UsageError(Text.of("fault-config_there"), where=str(out))
    common = Path(os.path.commonpath([folder.resolve() for folder in folders]))
    common = common if common.is_dir() else common.parent
    with stages("look at files"):
        wanted = [folder.resolve() for folder in folders]
        files = profile_files(common, stages.say, wanted)
    proposal = propose(_name(common), files)
    if not files:
        raise UsageError(Text.of("fault-nothing_readable"), where=str(common))
    if ask is not None and proposal.usable:
        for question in questions_of(proposal):
            answer = ask(question)
            proposal = proposal if answer is None else answered(proposal, question, answer)
    if proposal.usable:
        base = out.resolve().parent
        text = write_config(
            proposal,
            os.path.relpath(common, base),
            os.path.relpath(Path("workspace").resolve() / _name(common), base),
            language,
        )
        write_text(out, text)
    return proposal


def _name(folder: Path) -> str:
    """Return a name for the company from its folder, fit for a config."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-.")
    return name if re.match(r"[A-Za-z0-9]", name) else "company"
