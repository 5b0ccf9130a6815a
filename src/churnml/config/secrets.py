"""Hides secrets in what is shown, logged or stored: by where they stand in a URL, and by what their key is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import SecretStr

from churnml.errors import ConfigError
from churnml.language import Text

__all__ = ["MASK", "forms_of_secret", "mask_secrets", "mask_text", "mask_url", "reveal"]

MASK = "***"
"""What stands where a secret was."""

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase|code)?$|^pwd|pwd$|secret|token|credential|api[-_.]?key|access[-_.]?key|account[-_.]?key|"
    r"private[-_.]?key|shared[-_.]?key|encryption[-_.]?key|signature|^sas[-_.]|^auth$|authorization|keytab|[-_.]pass$|connection[-_.]?string",
    re.IGNORECASE,
)
_SECRET_IN_QUERY = re.compile(rf"{_SECRET_NAME.pattern}|^key$|^sig$|^code$|^auth", re.IGNORECASE)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_QUERY = re.compile(r"\?[\w.-]+=")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_PAIR = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_. -]*?)(?P<sign>\s*=\s*)(?P<value>'[^']*'|\"[^\"]*\"|[^;&,\s'\"]+)")


def mask_url(url: str) -> str:
    """Return a URL, or a list of ``key=value`` pairs, with every secret masked.

    Everything between the user and the last ``@`` counts as the password, whatever signs it holds. A user alone is
    masked where it is a token: on http, and in schemes that end so.

    Examples
    --------
    >>> mask_url("postgresql://me:p@ss/w:rd@db.example.com:5432/crm?sslmode=require&sslpassword=x")
    'postgresql://me:***@db.example.com:5432/crm?sslmode=require&sslpassword=***'
    >>> mask_url("https://dapi123@host/sql?http_path=a")
    'https://***@host/sql?http_path=a'
    >>> mask_url("host=db user=me password='s3 cret'")
    'host=db user=me password=***'
    >>> mask_url("sqlite:////data/store.db")
    'sqlite:////data/store.db'
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _masked_pairs(url)
    head, rest = scheme.group(), url[scheme.end() :]
    user, password = _login(rest)
    if user is not None:
        host = rest[len(user) + (len(password) + 1 if password is not None else 0) + 1 :]
        bare_token = password is None and head.lower().startswith("http")
        login = MASK if bare_token else user if password is None else f"{user}:{MASK}"
        rest = f"{login}@{host}"
    query = _QUERY.search(rest)
    start = query.start() + 1 if query else len(rest)
    return f"{head}{rest[:start]}{_masked_pairs(rest[start:])}"


def _login(rest: str) -> tuple[str | None, str | None]:
    """Return user and password of a URL behind its scheme; a password may hold ``@``, ``/``, ``?`` and ``#``."""
    query = _QUERY.search(rest)
    place = rest[: query.start()] if query else rest
    if "@" in rest and "@" not in place and not _authority_ends(rest):
        place = rest  # no host came before the question mark: it is the password's
    login, sign, _ = place.rpartition("@")
    if not sign or ("/" in login and ":" not in login.partition("/")[0]):
        return None, None
    user, colon, password = login.partition(":")
    return user, password if colon else None


def _authority_ends(rest: str) -> bool:
    """Say whether the text before the first slash or question mark is a host, with or without a port.

    Digits that a question mark follows at once may be a port or a password: they count as the latter.
    """
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    _, colon, port = authority.partition(":")
    return not colon or (port.isdigit() and rest[len(authority) : len(authority) + 1] == "/")


def _masked_pairs(text: str) -> str:
    def pair(match: re.Match[str]) -> str:
        if not _SECRET_IN_QUERY.search(match["name"].strip().split(" ")[-1]):
            return f"{match['name']}{match['sign']}{_URL.sub(lambda url: mask_url(url.group()), match['value'])}"
        return f"{match['name']}{match['sign']}{MASK}"

    return _PAIR.sub(pair, text)


def mask_text(text: str, urls: Iterable[str | None] = ()) -> str:
    """Return a message of somebody else's, e.g. a driver's, without the secrets in its URLs and in some known ones.

    Parameters
    ----------
    text : str
        The message.
    urls : iterable of str or None
        URLs whose passwords must not stand in it, not even alone.

    Examples
    --------
    >>> mask_text("no login with 's3cret' at postgres://me:s3cret@db/x", ["postgres://me:s3cret@db/x"])
    "no login with '***' at postgres://me:***@db/x"
    """
    for url in urls:
        scheme = _SCHEME.match(url) if url else None
        if url is None or scheme is None:
            continue
        text = text.replace(url, mask_url(url))
        password = _login(url[scheme.end() :])[1]
        for secret in {password, unquote(password)} if password else ():
            if len(secret) >= 4:  # a shorter one would tear words apart, and its URL is masked anyway
                text = text.replace(secret, MASK)
    return _URL.sub(lambda match: mask_url(match.group()), text)


def mask_secrets(data: Any, name: str = "") -> Any:
    """Return JSON-ready data with every secret masked: by the key's name, and inside every URL.

    Examples
    --------
    >>> mask_secrets({"options": {"s3_secret_access_key": "abc", "region": "eu"}, "url": "postgres://a:b@c/d"})
    {'options': {'s3_secret_access_key': '***', 'region': 'eu'}, 'url': 'postgres://a:***@c/d'}
    """
    if isinstance(data, Mapping):
        return {key: mask_secrets(value, str(key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [mask_secrets(value, name) for value in data]
    if not isinstance(data, str):
        return data
    if data and _SECRET_NAME.search(name):
        return MASK
    return mask_text(data) if "://" in data else data


def reveal(secret: SecretStr, where: str) -> str:
    """Return a secret in the clear.

    Parameters
    ----------
    secret : SecretStr
        As it stands in a loaded config.
    where : str
        Its key, for the message.

    Raises
    ------
    ConfigError
        Neither the environment nor the file of secrets holds it.

    Examples
    --------
    >>> reveal(SecretStr("s3cret"), "deliveries.hubspot.token")
    's3cret'
    """
    value = secret.get_secret_value()
    if value.startswith("${") and value.endswith("}"):
        name = value[2:-1]
        raise ConfigError(Text.of("fault-no_secret", name=name), where=where, code="config.environment")
    return value


def forms_of_secret(secret: str) -> set[str]:
    """Return how a secret may be written in an address, a form, a header or JSON.

    Examples
    --------
    >>> sorted(forms_of_secret("a b/c"))
    ['a b/c', 'a%20b%2Fc', 'a%20b/c', 'a+b%2Fc']
    """
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
