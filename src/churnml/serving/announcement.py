"""What the service says of itself in the terminal when it starts."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from churnml.errors import BundleError
from churnml.language import Day, Section, phrases
from churnml.serving.settings import Settings
from churnml.store import Store

__all__ = ["announce", "how_to_sign_in"]


def announce(settings: Settings, url: str, file: Path) -> None:
    """Say on stderr what is served and how to call it.

    Parameters
    ----------
    settings : Settings
    url : str
        Where the service listens, without a slash at its end.
    file : Path
        The config, for the commands that are shown.

    Raises
    ------
    BundleError
        There is neither a model nor a snapshot to serve.
    """
    from churnml.registry import champion_bundle

    missing: BundleError | None = None
    try:
        champion_bundle(settings.bundles_dir, settings.registered_model)
    except BundleError as error:
        missing = error
    with Store(settings.store_url) as store:
        snapshot = store.latest(settings.name)
        now = datetime.now(UTC)
        keys = [key for key in store.keys.list() if key.usable(now)]
        people = any(user.disabled_at is None for user in store.users.list())
    if missing is not None and snapshot is None:
        raise missing
    say = Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print
    t = Section(phrases(settings.language), "serve")
    if snapshot is None:
        say(t.unscored)
    else:
        day = Day(on=str(snapshot.as_of))
        say(t("serving", name=settings.name, n=snapshot.accounts, as_of=day, url=f"{url}/v1"))
    say(t("pages", url=f"{settings.sign_in.url or url}/"))
    for line in how_to_sign_in(settings, file, people=people):
        say(line)
    header = ""
    if settings.insecure:
        say(t.keyless)
    else:
        header = " -H 'Authorization: Bearer churnml_…'"
        if not keys:
            say(t("no_key", command=f"churnml keys create NAME --scope read --scope score {_option(file)}"))
    call = f"curl -s {url}/v1/predict{header} -H 'Content-Type: application/json' -d '{{\"account_id\": \"…\"}}'"
    say(t("try", command=call, url=f"{url}/v1/openapi.json"))


def how_to_sign_in(settings: Settings, file: Path, *, people: bool) -> list[str]:
    """Return how people come to the pages, a line a way.

    Parameters
    ----------
    settings : Settings
    file : Path
        The config.
    people : bool
        Whether there is anybody who may sign in.
    """
    config, t = settings.sign_in, Section(phrases(settings.language), "serve")
    if settings.insecure:
        return [t.nobody_signs_in]
    lines = []
    if config.oidc is not None:
        lines.append(t("by_provider", issuer=config.oidc.issuer))
    if config.proxy is not None:
        lines.append(t("by_proxy", header=config.proxy.header))
    if settings.mail is not None and config.url is not None:
        lines.append(t.by_mail)
    invite = f"churnml users invite EMAIL {_option(file)}"
    if people:
        return [*lines, t("by_link", command=invite)]
    return [*lines, t.nobody_yet, f"  churnml users add EMAIL --role admin {_option(file)}", f"  {invite}"]


def _option(file: Path) -> str:
    return f"--config {shlex.quote(str(file))}"
