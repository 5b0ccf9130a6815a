"""``churnml users``: the people who look at the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.options import DEMO, AsJson, ConfigOption
from churnml.cli.session import Session
from churnml.cli.terminal import aside
from churnml.errors import UsageError

if TYPE_CHECKING:
    from churnml.config import Config
    from churnml.language import Section
    from churnml.store import Actor, Link, Store, User

__all__ = ["users_app"]

users_app = typer.Typer(no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Mail address")]
Role = Annotated[str | None, typer.Option(help="csm, manager, data_scientist or admin")]
Owner = Annotated[
    str | None, typer.Option("--owner", metavar="OWNER", help="The owner of accounts that they are, as the data has it")
]
Name = Annotated[str | None, typer.Option(help="What they are called  [default: as before the @]")]
Lang = Annotated[str | None, typer.Option("--lang", help="en or ja  [default: what their browser asks for]")]


class _Opened:
    """The store of a config, for one command."""

    def __init__(self, path: Path, session: Session) -> None:
        from churnml.config import load_config
        from churnml.language import Section, phrases
        from churnml.serving.settings import Settings
        from churnml.store import Actor, Store

        self.config: Config = load_config(path)
        session.use(self.config)
        self.say = Section(phrases(session.language), "cli-users")
        self.store: Store = Store(Settings.from_config(self.config).store_url)
        self.actor: Actor = Actor("cli", datetime.now(UTC))

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


@users_app.command("add")
def add(
    email: Email,
    name: Name = None,
    role: Role = "csm",
    owner: Owner = None,
    lang: Lang = None,
    config: ConfigOption = DEMO,
    as_json: AsJson = False,
) -> None:
    """Add somebody; `churnml users invite` then makes their sign-in link."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        made = opened.store.users.add(email, opened.actor, name=name, role=role or "csm", owner_id=owner, language=lang)
        session.show(
            _as_dict(made),
            lambda: aside(opened.say("added", user=_words(made, opened.say), next=_invitation(made, config))),
        )


@users_app.command("list")
def list_users(config: ConfigOption = DEMO, as_json: AsJson = False) -> None:
    """List everybody, with what they are and how many browsers they are signed in with."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        idle = timedelta(hours=opened.config.serving.sign_in.idle_hours)
        now = opened.actor.now
        usable = [one for one in opened.store.sessions.in_force(now) if one.usable(now, idle)]
        users = [
            {**_as_dict(user), "sessions": sum(one.user_id == user.id for one in usable)}
            for user in opened.store.users.list()
        ]
        session.show({"users": users}, lambda: _print_users(users, session.language))


@users_app.command("invite")
def invite(
    email: Email,
    mail: Annotated[bool, typer.Option("--mail/--no-mail", help="Also mail it, where deliveries.emails is set")] = True,
    config: ConfigOption = DEMO,
    as_json: AsJson = False,
) -> None:
    """Print a link that signs somebody in once, and mail it where SMTP is set."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        from churnml.serving.people.links import link_address
        from churnml.serving.run import public_url

        sign_in = opened.config.serving.sign_in
        user = opened.store.users.named(email)
        link = opened.store.sessions.invite(user, opened.actor, timedelta(hours=sign_in.link_hours))
        address = link_address(public_url(opened.config.serving), link)
        mailed = mail and _mail(opened, link, address)

        def picture() -> None:
            print(address)
            aside(opened.say("link", name=user.name, until=f"{link.expires_at:%Y-%m-%d %H:%M}"))
            if mailed:
                aside(opened.say("mailed", email=user.email))
            if sign_in.url is None:
                aside(opened.say("elsewhere", key="serving.sign_in.url"))

        session.show({"link": address, "email": user.email, "expires_at": link.expires_at, "mailed": mailed}, picture)


@users_app.command("set")
def change(
    email: Email,
    name: Annotated[str | None, typer.Option(help="What they are called")] = None,
    role: Role = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="OWNER", help="The owner of accounts that they are; '' for none")
    ] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="en or ja; '' for what their browser asks for")] = None,
    new_email: Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="Another mail address")] = None,
    config: ConfigOption = DEMO,
    as_json: AsJson = False,
) -> None:
    """Change somebody's name, role, owner, language or address; it counts from their next page on."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        given = {"name": name, "role": role, "owner_id": owner, "language": lang, "email": new_email}
        fields = {key: value for key, value in given.items() if value is not None}
        if not fields:
            from churnml.language import Text

            raise UsageError(Text.of("fault-nothing_to_change"))
        user = opened.store.users.change(opened.store.users.named(email).id, opened.actor, **fields)
        session.show(_as_dict(user), lambda: aside(opened.say("changed", user=_words(user, opened.say))))


@users_app.command("disable")
def disable(email: Email, config: ConfigOption = DEMO, as_json: AsJson = False) -> None:
    """Let somebody in no more, and sign them out everywhere within two seconds."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        user = opened.store.users.disable(opened.store.users.named(email).id, opened.actor)
        session.show(_as_dict(user), lambda: aside(opened.say("disabled", name=user.name)))


@users_app.command("enable")
def enable(email: Email, config: ConfigOption = DEMO, as_json: AsJson = False) -> None:
    """Let somebody in again."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        user = opened.store.users.enable(opened.store.users.named(email).id, opened.actor)
        session.show(_as_dict(user), lambda: aside(opened.say("enabled", name=user.name)))


@users_app.command("sign-out")
def sign_out(email: Email, config: ConfigOption = DEMO, as_json: AsJson = False) -> None:
    """Sign somebody out everywhere, within two seconds; links that they have not used end too."""
    with Session(as_json) as session, _Opened(config, session) as opened:
        user = opened.store.users.named(email)
        ended = opened.store.sessions.end_all(user, opened.actor)
        session.show({"email": user.email, "sessions_ended": ended}, lambda: aside(opened.say("signed_out", n=ended)))


def _mail(opened: _Opened, link: Link, address: str) -> bool:
    """Mail a link where SMTP is set."""
    from churnml.config.secrets import reveal
    from churnml.config.sign_in import mail_section
    from churnml.serving.people.links import mail_link

    section = mail_section(opened.config.serving.sign_in, opened.config.deliveries.emails)
    if section is None:
        return False
    password = reveal(section.password, "deliveries.emails") if section.password is not None and section.user else ""
    language = link.user.language or opened.config.language
    mail_link(section, password, link, address, opened.config.name, language, opened.actor.now)
    return True


def _as_dict(user: User) -> dict[str, Any]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(user).items() if name != "subject"}


def _words(user: User, t: Section) -> str:
    from churnml.language import Text

    who = {"name": user.name, "email": user.email, "role": Text.of(f"role-{user.role}")}
    return t("user.owner", **who, owner=user.owner_id) if user.owner_id else t("user", **who)


def _invitation(user: User, config: Path) -> str:
    return f"churnml users invite {user.email} --config {config}"


def _print_users(users: list[dict[str, Any]], language: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    say = phrases(language)
    t = Section(say, "cli-users")
    columns = ("name", "email", "role", "owner", "language", "signed_in", "since")
    table = Table(*(t(f"column.{name}") for name in columns))
    for user in users:
        signed_in = t.let_in_no_more if user["disabled_at"] else str(user["sessions"] or "–")
        role = say(f"role-{user['role']}")
        words = (user["name"], user["email"], role, user["owner_id"] or "", user["language"] or "", signed_in)
        table.add_row(*(escape(word) for word in words), f"{user['created_at']:%Y-%m-%d}")
    out().print(table if users else escape(t("none", command="churnml users add EMAIL --role admin")))
