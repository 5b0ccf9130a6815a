"""Run the service in the foreground."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

from churnml.config import Config, ServingConfig
from churnml.config.secrets import reveal
from churnml.errors import ChurnmlError, UsageError
from churnml.language import Text
from churnml.serving.announcement import announce
from churnml.serving.settings import SETTINGS, Settings
from churnml.serving.workers import WORKERS

__all__ = ["public_url", "run"]


def run(
    config: Config,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    insecure: bool = False,
    file: Path | None = None,
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
    file : Path, optional
        Where the config was read from, for the commands that are shown.

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
    announce(settings, f"http://{address}:{number}", file or Path("CONFIG"))
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
