"""Signing in by OpenID Connect: authorization code with PKCE; what the provider says is checked before it is believed.

Nothing of an attempt is kept here. The browser holds one random secret in a cookie, from which `state`, `nonce` and the
code verifier are made: what comes back fits them, or was not begun in this browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from churnml.config.sign_in import OidcConfig, inside
from churnml.errors import ConfigError, UsageError
from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.store import Actor, Store, User

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

__all__ = ["Attempt", "Identity", "Provider", "person_of"]

_LOG = logging.getLogger("churnml.people")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with a key pair only: a shared secret, or none, proves nothing here."""
_SECONDS = 10.0
_CACHE_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0
"""Keys are asked for again so soon at most, where a token names one that is not known."""
_LEEWAY_SECONDS = 60


@dataclass(frozen=True)
class Attempt:
    """One attempt to sign in: a secret that only the browser holds, and where to go on after it.

    Examples
    --------
    >>> attempt = Attempt.new("/accounts?band=red")
    >>> Attempt.read(attempt.cookie) == attempt, Attempt.read("x"), len(attempt.verifier)
    (True, None, 43)
    """

    secret: str
    next: str

    @classmethod
    def new(cls, next_path: str) -> Attempt:
        """Begin an attempt."""
        return cls(secrets.token_urlsafe(32), next_path)

    @classmethod
    def read(cls, held: str | None) -> Attempt | None:
        """Return the attempt that a browser's cookie holds; None where it holds none."""
        secret, _, rest = (held or "").partition(".")
        try:
            following = base64.urlsafe_b64decode(rest).decode()
        except ValueError:
            return None
        return cls(secret, following) if len(secret) == 43 and rest else None

    @property
    def cookie(self) -> str:
        """What the cookie holds."""
        return f"{self.secret}.{base64.urlsafe_b64encode(self.next.encode()).decode()}"

    @property
    def state(self) -> str:
        """Ties the answer to this browser."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """Ties the token to this attempt."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """Ties the code to who asked for it (PKCE)."""
        return self._made("verifier")

    def _made(self, what: str) -> str:
        digest = hmac.new(self.secret.encode(), what.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class Identity:
    """Whom the provider has signed in; `email` is None where it has not verified one."""

    subject: str
    email: str | None
    name: str | None


class Provider:
    """The company's identity provider.

    Parameters
    ----------
    config : OidcConfig
    secret : str, optional
        The client's, in the clear.

    Raises
    ------
    ConfigError
        The parts of churnml that this needs are not installed.
    """

    def __init__(self, config: OidcConfig, secret: str | None) -> None:
        try:
            import authlib  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                Text.of("fault-oidc_extra"),
                where="serving.sign_in.oidc",
                remedy="pip install 'churnml[oidc]'",
                code="config.extra",
            ) from error
        self._config = config
        self._secret = secret
        self._issuer = config.issuer.rstrip("/")
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def address(self, attempt: Attempt, back: str) -> str:
        """Return where to send the browser to.

        Parameters
        ----------
        attempt : Attempt
        back : str
            Where the provider sends it back to.

        Raises
        ------
        Problem
            ``auth.provider``: the provider does not answer, or not as one.
        """
        with self._client(back) as client, _provider_faults():
            url, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
            return str(url)

    def identity(self, attempt: Attempt, sent: Mapping[str, str], back: str) -> Identity:
        """Return whom the provider has signed in.

        Parameters
        ----------
        attempt : Attempt
            The one that this browser began.
        sent : mapping
            Parameters with which the provider sent it back.
        back : str
            As for `address`.

        Raises
        ------
        Problem
            ``auth.provider``: what came back is no answer to this attempt, or the provider has signed nobody in.
        """
        if not hmac.compare_digest(sent.get("state", "").encode(), attempt.state.encode()):
            raise Problem("auth.provider", "The answer belongs to no attempt of this browser")
        if "error" in sent or "code" not in sent:
            _LOG.warning("The identity provider said: %s", str(sent.get("error"))[:100])
            raise Problem("auth.provider", "The identity provider has signed nobody in")
        if sent.get("iss", self._issuer).rstrip("/") != self._issuer:
            raise Problem("auth.provider", "Another identity provider has answered")
        with self._client(back) as client, _provider_faults():
            token = client.fetch_token(
                self._endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=sent["code"],
                code_verifier=attempt.verifier,
            )
            claims = self._claims(str(token["id_token"]), attempt.nonce, token.get("access_token"))
            if self._config.email_claim not in claims and "userinfo_endpoint" in self._discovered():
                answer = client.get(self._endpoint("userinfo_endpoint"))
                answer.raise_for_status()
                profile = answer.json()
                if profile.get("sub") != claims["sub"]:
                    raise ValueError("the provider tells of somebody else than it has signed in")
                claims = {**profile, **claims}
            return self._identity(claims)

    def sign_out_address(self, back: str) -> str | None:
        """Return where the provider's own session ends (RP-initiated logout); None where it names no such place.

        No token is kept of who signed in, so none is sent along: the provider may ask whether to sign out.

        Parameters
        ----------
        back : str
            Where it sends the browser to afterwards, if it knows that address.
        """
        try:
            known = self._discovered()
            if "end_session_endpoint" not in known:
                return None
            address = self._endpoint("end_session_endpoint")
        except Exception as error:
            # Signed out here they are; of the provider's mood nothing depends.
            _LOG.warning("Where the identity provider signs out is not known: %s: %s", type(error).__name__, error)
            return None
        asked = urlencode({"client_id": self._config.client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if urlsplit(address).query else '?'}{asked}"

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        email, name = claims.get(self._config.email_claim), claims.get("name")
        verified = self._config.unverified_email or claims.get("email_verified") in (True, "true")
        return Identity(
            f"{self._issuer} {claims['sub']}",
            email if isinstance(email, str) and verified else None,
            name if isinstance(name, str) and name.strip() else None,
        )

    def _claims(self, id_token: str, nonce: str, access_token: str | None) -> dict[str, Any]:
        """Return what an ID token says, once it is known to be the provider's, for us, for this attempt, in force."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            token = jwt.decode(id_token, self._key_set(), algorithms=list(_ALGORITHMS))
        except (JoseError, ValueError):
            # The provider may have changed its keys.
            token = jwt.decode(id_token, self._key_set(again=True), algorithms=list(_ALGORITHMS))
        expected = {
            "iss": {"essential": True, "values": [self._config.issuer, self._issuer]},
            "aud": {"essential": True, "value": self._config.client_id},
        }
        given = {"nonce": nonce, "client_id": self._config.client_id, "access_token": access_token}
        claims = CodeIDToken(token.claims, token.header, expected, given)
        claims.validate(now=int(time.time()), leeway=_LEEWAY_SECONDS)
        return dict(claims)

    def _client(self, back: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        return OAuth2Session(
            self._config.client_id,
            self._secret,
            scope=" ".join(self._config.scopes),
            redirect_uri=back,
            code_challenge_method="S256",
            token_endpoint_auth_method=self._auth_method(),
            default_timeout=_SECONDS,
        )

    def _auth_method(self) -> str:
        if self._secret is None:
            return "none"
        with _provider_faults():
            known = self._discovered().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"

    def _discovered(self) -> Mapping[str, Any]:
        """Return what the provider tells of itself."""
        with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata[0] > _CACHE_SECONDS:
                metadata = _json(f"{self._issuer}/.well-known/openid-configuration")
                if str(metadata.get("issuer", "")).rstrip("/") != self._issuer:
                    raise ValueError(f"the provider calls itself {str(metadata.get('issuer'))[:200]!r}")
                self._metadata = (time.monotonic(), metadata)
            return self._metadata[1]

    def _endpoint(self, name: str) -> str:
        return _safe(str(self._discovered()[name]))

    def _key_set(self, *, again: bool = False) -> KeySet:
        from joserfc.jwk import KeySet

        address = self._endpoint("jwks_uri")
        with self._lock:
            age = _CACHE_SECONDS + 1 if self._keys is None else time.monotonic() - self._keys[0]
            if age > (_AGAIN_SECONDS if again else _CACHE_SECONDS):
                keys: Any = _json(address)
                self._keys = (time.monotonic(), KeySet.import_key_set(keys))
            assert self._keys is not None
            return self._keys[1]


class _provider_faults:  # noqa: N801 - used as a context manager
    """Turns whatever a provider can do wrong into one problem; the log says what it was."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Problem) or not isinstance(error, Exception):
            return
        _LOG.warning("Signing in by the identity provider failed: %s: %s", type(error).__name__, error)
        raise Problem("auth.provider", "The identity provider did not sign anybody in") from error


def _json(url: str) -> dict[str, Any]:
    import requests

    answer = requests.get(_safe(url), timeout=_SECONDS, headers={"Accept": "application/json"}, allow_redirects=False)
    answer.raise_for_status()
    document = answer.json()
    if not isinstance(document, dict):
        raise ValueError(f"{url} is no JSON object")
    return document


def _safe(url: str) -> str:
    """Return an address of the provider, if it is by https or on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost" or inside(parts.hostname or "", ("127.0.0.0/8", "::1")):
        return url
    raise ValueError(f"{url[:200]} is not https")


def person_of(store: Store, identity: Identity, config: OidcConfig, actor: Actor) -> User:
    """Return the person whom the provider has signed in.

    The provider's own name for them decides; the first time it is the mail address, which then holds for nobody else.

    Raises
    ------
    Problem
        ``auth.stranger``: nobody is known so, or they are not let in.
    """
    user = store.users.with_subject(identity.subject)
    if user is None:
        user = _first_time(store, identity, config, actor)
    if user.disabled_at is not None:
        raise Problem("auth.stranger", "You are not let in any more")
    return user


def _first_time(store: Store, identity: Identity, config: OidcConfig, actor: Actor) -> User:
    if identity.email is None:
        raise Problem("auth.stranger", "The identity provider names no verified mail address")
    known = store.users.find(identity.email)
    if known is not None:
        if known.subject is not None or known.disabled_at is not None:
            # The address was given to somebody new: they are not who had it before.
            raise Problem("auth.stranger", "The address belongs to another account")
        return store.users.change(known.id, actor, subject=identity.subject)
    if config.default_role is None:
        raise Problem("auth.stranger", f"Nobody here has the address {identity.email[:80]!r}")
    try:
        return store.users.add(
            identity.email, actor, name=identity.name, role=config.default_role, subject=identity.subject
        )
    except UsageError as error:
        raise Problem("auth.stranger", f"{error.what}: {identity.email[:80]!r}") from error
