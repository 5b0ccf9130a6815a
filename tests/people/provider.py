"""An identity provider on this machine: discovery, keys, authorization code with PKCE, tokens, userinfo."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey


class LocalProvider:
    """What it says can be changed by a test: whoever signs in is `person`; `wrong` spoils one thing."""

    client, secret = "churnml", "s3cret/with:signs"

    def __init__(self) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.person: dict[str, Any] = {}
        self.only_in_userinfo = False
        self.wrong = ""
        self.signs_out = False
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: dict[str, str] = {}

    def metadata(self) -> dict[str, Any]:
        issuer = "http://127.0.0.1:1" if self.wrong == "issuer" else self.url
        names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        endpoints = {f"{name}_endpoint": f"{self.url}/{path}" for name, path in names.items()}
        further = {"end_session_endpoint": f"{self.url}/out?realm=a"} if self.signs_out else {}
        return {"issuer": issuer, "jwks_uri": f"{self.url}/jwks", **endpoints, **further}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to, once somebody has signed in here."""
        self.asked = query
        if self.wrong == "denied":
            return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        begun = self.codes.pop(form.get("code", ""), None)
        login = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if begun is None or begun.get("code_challenge") != challenge or begun["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_grant"}
        if authorization != f"Basic {login}":
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": self.client, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims |= {"sub": self.person["sub"]} if self.only_in_userinfo else self.person
        changes: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "other"},
            "audience": {"aud": "other"},
            "expired": {"exp": now - 600},
            "token_issuer": {"iss": "https://evil.example"},
        }
        claims |= changes.get(self.wrong, {})
        key: Any = RSAKey.generate_key(2048, {"kid": "one"}) if self.wrong == "signature" else self.key
        header = {"alg": "RS256", "kid": key.kid}
        if self.wrong == "shared":
            key, header = OctKey.import_key(self.secret), {"alg": "HS256"}
        token = jwt.encode(header, claims, key)
        return 200, {"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def userinfo(self) -> dict[str, Any]:
        return {**self.person, **({"sub": "somebody else"} if self.wrong == "userinfo" else {})}


@contextmanager
def local_provider() -> Iterator[LocalProvider]:
    provider = LocalProvider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
                return
            answers = {
                "/.well-known/openid-configuration": provider.metadata,
                "/jwks": lambda: {"keys": [provider.key.as_dict(private=False)]},
                "/userinfo": provider.userinfo,
            }
            self._send(200, answers[parts.path]())

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(sent).items()}
            self._send(*provider.token(form, self.headers.get("Authorization", "")))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
