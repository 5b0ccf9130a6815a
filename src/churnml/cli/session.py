"""One command's conversation with the terminal: progress on stderr, the result on stdout, errors as messages."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from churnml.errors import ChurnmlError, Said, UsageError
from churnml.files import write_json
from churnml.progress import Stage, Stages, peak_rss_mb

if TYPE_CHECKING:
    from rich.status import Status

    from churnml.config import Config
    from churnml.language import Language

__all__ = ["Session", "progress_line", "report_failure", "stage_name", "terminal_language"]

_TIMINGS = "stage_seconds.json"
_LONG_SECONDS = 10.0
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Session:
    """Runs one command: shows progress, prints the result once, turns errors into messages and exit codes.

    Parameters
    ----------
    as_json : bool
        Print one JSON document instead of tables.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.config: Config | None = None
        self.language: Language = terminal_language()
        self._display = _StageDisplay(self.language)
        self._parts: dict[str, Any] = {}
        self._umask = 0
        self._timings: Path | None = None
        self.stages = Stages(self._display)

    def __enter__(self) -> Self:
        from churnml.cli.terminal import settle_streams

        logging.getLogger("churnml").setLevel(logging.INFO)
        settle_streams()
        # What a command writes is customers' data, in files of many libraries: none but the owner reads them.
        self._umask = os.umask(0o077)
        return self

    def use(self, config: Config) -> None:
        """Work on a config: how long its stages took the last time tells how long they will take."""
        self.config = config
        self.language = self._display.language = config.language
        self._timings = config.workspace_dir / _TIMINGS
        with suppress(OSError, ValueError, AttributeError, TypeError):  # nothing depends on it
            timings = json.loads(self._timings.read_text(encoding="utf-8"))
            self.stages.expected.update({str(name): float(seconds) for name, seconds in timings.items()})

    def speak(self, given: str | None = None) -> Language:
        """Speak the language that is given, else the config's, and return it.

        Raises
        ------
        UsageError
            There is no such language.
        """
        from churnml.language import Text, languages

        known = languages()
        if given is not None and given not in known:
            raise UsageError(Text.of("fault-no_language"), where="--lang", got=given, expected=" or ".join(known))
        self.language = self._display.language = given or self.language
        return self.language

    def say(self, code: str, /, **arguments: Any) -> str:
        """Return one of the commands' messages in the language that is spoken."""
        from churnml.language import phrases

        return phrases(self.language)(f"cli-{code}", **arguments)

    def show(self, report: Any, picture: Callable[[], None]) -> None:
        """Print the report, a mapping or a dataclass, as JSON, or draw it for a person."""
        self._display.stop()
        if not self.as_json:
            picture()
            return
        from pydantic_core import to_jsonable_python

        from churnml.cli.terminal import as_json

        extra = {"seconds": dict(self.stages.seconds), "peak_rss_mb": peak_rss_mb()} if self.stages.seconds else {}
        from churnml.language import in_words

        document = in_words({**to_jsonable_python(report), **self._parts}, self.language)
        print(as_json({**document, **extra}))

    def show_part(self, report: Any, picture: Callable[[], None]) -> None:
        """Show what a longer command has come to so far: a person at once; as JSON with the rest, or with the error."""
        self._display.stop()
        if not self.as_json:
            picture()
            return
        from pydantic_core import to_jsonable_python

        self._parts.update(to_jsonable_python(report))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()
        if error is None and self._timings is not None and self._timings.parent.is_dir() and self.stages.seconds:
            with suppress(OSError):
                write_json(self._timings, {**self.stages.expected, **self.stages.seconds})
        os.umask(self._umask)
        if isinstance(error, KeyboardInterrupt):
            from churnml.language import phrases

            print(phrases(self.language)("cli-interrupted"), file=sys.stderr)
            sys.exit(130)
        if isinstance(error, Exception) and type(error).__module__.split(".")[0] not in ("click", "typer"):
            sys.exit(
                report_failure(
                    error, as_json=self.as_json, so_far=self._parts, language=self.language, config=self.config
                )
            )


def terminal_language() -> Language:
    """Return the language of the terminal's locale where churnml speaks it: what counts until a config is read.

    Examples
    --------
    >>> terminal_language() in ("en", "ja")
    True
    """
    from churnml.language import languages

    known = languages()
    locale = next((value for name in _LOCALES if (value := os.environ.get(name))), "")
    return next((code for code in known if locale.split("_")[0].split(".")[0] == code), known[0])


def report_failure(
    error: Exception,
    *,
    as_json: bool,
    so_far: Mapping[str, Any] | None = None,
    language: Language | None = None,
    config: Config | None = None,
) -> int:
    """Tell the user what went wrong, in their language, and return the exit code; as JSON with what there was so far.

    An error that churnml did not raise on purpose is a bug: its traceback goes to a file that the message names.
    """
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    from churnml.cli.faults import foreseen

    known = foreseen(error, None if config is None else config.workspace_dir)
    if known is not None:
        error = known
    elif not isinstance(error, ChurnmlError):
        error = _bug(error)
    from rich.text import Text

    from churnml.cli import terminal
    from churnml.config.secrets import mask_secrets, mask_text
    from churnml.language import error_fields, error_lines, phrases

    language = language or terminal_language()
    terminal.settle_streams()
    if as_json:
        print(terminal.as_json({**(so_far or {}), "error": mask_secrets(error_fields(error, language))}))
    console = terminal.err()
    first, *rest = mask_text(error_lines(error, language)).splitlines()
    console.print(Text.assemble((f"{phrases(language)('cli-error')} ", "bold red"), first))
    for line in rest:
        console.print(Text(line), soft_wrap=True)
    return error.exit_code


def _bug(error: Exception) -> ChurnmlError:
    from churnml.config.secrets import mask_text

    with tempfile.NamedTemporaryFile(
        "w", prefix="churnml-error-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(mask_text("".join(traceback.format_exception(error))))
    from churnml.language import Text

    first = mask_text((str(error).splitlines() or [""])[0])
    return ChurnmlError(
        Text.of("error-bug", kind=type(error).__name__, said=first[:300]),
        remedy=Text.of("error-bug.remedy", file=log.name),
        code="bug",
    )


class _StageDisplay:
    """A spinner with the current stage on a terminal, plain lines elsewhere."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._status: Status | None = None
        self._stage: Stage | None = None

    def begin(self, stage: Stage) -> None:
        """Start the spinner."""
        from churnml.cli.terminal import err

        self._stage = stage
        console = err()
        if console.is_terminal:
            self.stop()
            self._status = console.status(self)
            self._status.start()

    def say(self, text: Said) -> None:
        """Show what the stage is at; the spinner looks by itself."""

    def end(self, stage: str, seconds: float) -> None:
        """Print the finished stage."""
        from rich.markup import escape

        from churnml.cli.terminal import err
        from churnml.language import number, phrases

        self.stop()
        took = phrases(self.language)("cli-seconds", n=number(seconds, self.language, 1))
        err().print(f"[green]✓[/] {escape(stage_name(stage, self.language))} [dim]{took}[/]")

    def stop(self) -> None:
        """Remove the spinner."""
        if self._status:
            self._status.stop()
            self._status = None

    def __rich__(self) -> str:
        """Return the line as it is at this moment; rich asks several times a second."""
        from rich.markup import escape

        return escape(progress_line(self._stage, self.language)) if self._stage else ""


def stage_name(name: str, language: Language) -> str:
    """Return what a stage is called.

    Examples
    --------
    >>> stage_name("backtest", "en"), stage_name("backtest", "ja"), stage_name("own", "ja")
    ('backtest', 'バックテスト', 'own')
    """
    from churnml.language import phrases

    return phrases(language).or_plain(f"stage-{name.replace(' ', '_')}", name)


def progress_line(stage: Stage, language: Language = "en") -> str:
    """Return what a stage is at: with percent and the time left where it takes more than ten seconds.

    Examples
    --------
    >>> now = iter([0.0, 20.0, 20.0])
    >>> progress_line(Stage("features", expected=80.0, clock=lambda: next(now)))
    'features … 25 %, about 60 s left'
    """
    from churnml.language import percent, phrases, said_text

    text = f"{stage_name(stage.name, language)} … {said_text(stage.text, language)}".rstrip()
    share, elapsed = stage.share(), stage.elapsed
    if share is None or elapsed / max(share, 1e-9) < _LONG_SECONDS:
        return text
    left = elapsed / share - elapsed
    form, remaining = ("seconds", left) if left < 90 else ("minutes", left / 60)
    return phrases(language)(f"cli-left.{form}", stage=text, done=percent(share, language, 0), n=round(remaining))
