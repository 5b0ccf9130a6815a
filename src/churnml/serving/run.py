"""Run the service in the foreground."""

from __future__ import annotations

import ipaddress
import os
import socket
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from churnml.config import Config, ServingConfig
from churnml.config.secrets import reveal
from churnml.errors import BundleError, ChurnmlError, UsageError
from churnml.language import Text
from churnml.serving.settings import SETTINGS, Settings
from churnml.serving.workers import WORKERS
from churnml.store import Store

__all__ = ["how_to_sign_in", "public_url", "run"]


def run(
    config: Config,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    insecure: bool = False,
) -> None:
    """Serve a config's scores and model over HTTP until interrupted.

    Parameters
    ----------
    config : Config
        What to serve.
    host, port : optional
        Where to listen; by default as the config's ``serving`` section says.
    workers : int, optional
        Processes that answer; by default what ``CHURNML_WORKERS`` says, else 1.
    insecure : bool
        Ask for no API keys; only on a loopback address.

    Raises
    ------
    ConfigError
        The environment does not hold a secret that signing in needs.
    UsageError
        Insecure on an address that others can reach, a host that is none, or a port in use.
    BundleError
        Nothing has been trained or scored yet, so there is nothing to serve.
    """
    if workers is not None:
        os.environ[WORKERS] = str(workers)
    settings = Settings.from_config(config, insecure=insecure)
    address = _address(host or config.serving.host)
    number = port or config.serving.port
    if insecure and not ipaddress.ip_address(address).is_loopback:
        raise UsageError(Text.of("fault-insecure_host"), where="--host", got=address, code="serving.insecure")
    oidc = config.serving.sign_in.oidc
    if oidc is not None and oidc.client_secret is not None and "oidc" not in settings.secrets:
        reveal(oidc.client_secret, "serving.sign_in.oidc.client_secret")
    _free(address, number)
    _announce(settings, f"http://{address}:{number}")
    os.environ[SETTINGS] = settings.model_dump_json()
    # BentoML would report each start to its maker.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    from churnml.serving.service import ChurnmlService

    service: Any = ChurnmlService
    service.serve_http(host=address, port=number)


def public_url(serving: ServingConfig, address: str | None = None, port: int | None = None) -> str:
    """Return the address at which people reach the pages, without a slash at its end.

    Parameters
    ----------
    serving : ServingConfig
    address, port : optional
        Where the service listens; by default as the section says.

    Examples
    --------
    >>> public_url(ServingConfig(host="0.0.0.0"))
    'http://127.0.0.1:3000'
    """
    if serving.sign_in.url is not None:
        return serving.sign_in.url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(address or serving.host, address or serving.host)
    return f"http://{host}:{port or serving.port}"


def _announce(settings: Settings, url: str) -> None:
    """Say on stderr what is served and how to call it; refuse when there is nothing to serve."""
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
    if snapshot is None:
        say("No snapshot has been scored yet: features can be sent, accounts not asked for by id.")
    else:
        say(f"Serving {settings.name}: {snapshot.accounts} accounts as of {snapshot.as_of}, at {url}/v1")
    say(f"Pages: {settings.sign_in.url or url}/")
    for line in how_to_sign_in(settings, people=people):
        say(line)
    header = ""
    if settings.insecure:
        say("No API keys are asked for (--insecure), so only this machine can call.")
    else:
        header = " -H 'Authorization: Bearer churnml_…'"
        if not keys:
            say("No API key can be used yet. Make one: churnml keys create NAME --scope read --scope score")
    say(
        f"Try: curl -s {url}/v1/predict{header} -H 'Content-Type: application/json' "
        '-d \'{"account_id": "…"}\'      API: ' + f"{url}/v1/openapi.json"
    )


def how_to_sign_in(settings: Settings, *, people: bool) -> list[str]:
    """Return how people come to the pages, a line a way.

    Parameters
    ----------
    settings : Settings
    people : bool
        Whether there is anybody who may sign in.
    """
    config = settings.sign_in
    if settings.insecure:
        return ["Nobody has to sign in (--insecure)."]
    lines = []
    if config.oidc is not None:
        lines.append(f"Sign in with an account of {config.oidc.issuer}")
    if config.proxy is not None:
        lines.append(f"Sign in through the proxy that sends {config.proxy.header}")
    if settings.mail is not None and config.url is not None:
        lines.append("Sign in with a link by mail, which the page sends to who is known")
    if people:
        return [*lines, "Sign in with a link: churnml users invite EMAIL --config CONFIG"]
    return [
        *lines,
        "Nobody has been added yet. Add yourself, then open the link that the second command prints:",
        "  churnml users add EMAIL --role admin --config CONFIG",
        "  churnml users invite EMAIL --config CONFIG",
    ]


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise UsageError(Text.of("fault-host"), where="--host", got=host, code="serving.host") from error


def _free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ChurnmlError(
                Text.of("fault-port", port=str(port)), where=address, got=str(error), code="serving.port"
            ) from error
