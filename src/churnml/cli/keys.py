"""Make, list and revoke the API's keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.options import DEMO, AsJson, ConfigOption
from churnml.cli.session import Session
from churnml.cli.terminal import aside

if TYPE_CHECKING:
    from churnml.language import Section
    from churnml.store import ApiKey, Store

__all__ = ["keys_app"]

keys_app = typer.Typer(no_args_is_help=True)

StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="The store itself, where there is no config")
]


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use the key, e.g. salesforce")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, score, write or admin; may be given several times  [default: read, score]"),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until the key expires")] = 365,
    config: ConfigOption = DEMO,
    store_url: StoreOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, the only time it is shown."""
    with Session(as_json) as session:
        store, now, t = _store(config, store_url)
        from churnml.store import Actor

        secret, key = store.keys.create(name, scope or ["read", "score"], Actor("cli", now), timedelta(days=days))
        store.close()

        def picture() -> None:
            print(secret)
            aside(t("keep", id=key.id, scopes=", ".join(sorted(key.scopes)), days=days))
            aside(t("header", header=f"Authorization: Bearer {secret[:16]}…"))

        session.show({"key": secret, **_as_dict(key)}, picture)


@keys_app.command("list")
def list_keys(config: ConfigOption = DEMO, store_url: StoreOption = None, as_json: AsJson = False) -> None:
    """List the keys; the keys themselves are not kept, only their hashes."""
    with Session(as_json) as session:
        store, now, t = _store(config, store_url)
        keys = store.keys.list()
        store.close()

        def picture() -> None:
            from rich.markup import escape
            from rich.table import Table

            from churnml.cli.terminal import out

            table = Table(*(t(f"column.{name}") for name in ("id", "name", "scopes", "created", "expires", "state")))
            for key in keys:
                state = "usable" if key.usable(now) else "revoked" if key.revoked_at else "expired"
                expires = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else t.never
                made, scopes = f"{key.created_at:%Y-%m-%d}", " ".join(sorted(key.scopes))
                table.add_row(key.id, escape(key.name), scopes, made, expires, t(f"state.{state}"))
            out().print(table if keys else t.none)

        session.show({"keys": [_as_dict(key) | {"usable": key.usable(now)} for key in keys]}, picture)


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id that `churnml keys list` prints")],
    config: ConfigOption = DEMO,
    store_url: StoreOption = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; a running service refuses it within two seconds."""
    with Session(as_json) as session:
        store, now, t = _store(config, store_url)
        from churnml.store import Actor

        key = store.keys.revoke(key_id, Actor("cli", now))
        store.close()
        session.show(_as_dict(key), lambda: aside(t("revoked", id=key.id, name=key.name)))


def _store(config: Path, store_url: str | None) -> tuple[Store, datetime, Section]:
    from datetime import UTC

    from churnml.config import load_config
    from churnml.language import Section, languages, phrases
    from churnml.serving.settings import Settings
    from churnml.store import Store

    if store_url is not None:
        return Store(store_url), datetime.now(UTC), Section(phrases(languages()[0]), "cli-keys")
    settings = load_config(config)
    url = Settings.from_config(settings).store_url
    return Store(url), datetime.now(UTC), Section(phrases(settings.language), "cli-keys")


def _as_dict(key: ApiKey) -> dict[str, Any]:
    times = {"created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at}
    shown = {name: None if moment is None else moment.isoformat() for name, moment in times.items()}
    return {"id": key.id, "name": key.name, "scopes": sorted(key.scopes), **shown}
