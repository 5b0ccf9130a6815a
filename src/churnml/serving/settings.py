"""What the service needs to know of a config, and how it learns it from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from churnml.config import ApiLimits, Config, DisplayConfig, load_config
from churnml.config.alerts import AlertsConfig
from churnml.config.deliveries import EmailTarget
from churnml.config.experiments import ExperimentsConfig
from churnml.config.sign_in import SignInConfig, in_the_clear, mail_section
from churnml.errors import ConfigError
from churnml.language import Language, Text
from churnml.serving.workers import shared_folder

__all__ = ["CONFIG", "INSECURE", "SETTINGS", "STORE_URL", "Settings"]

CONFIG = "CHURNML_CONFIG"
"""Environment variable: path of the config."""
STORE_URL = "CHURNML_STORE_URL"
"""Environment variable: URL of the store, in place of the config's."""
INSECURE = "CHURNML_INSECURE"
"""Environment variable: ``1`` asks for no API keys; `churnml.serving.run` then binds to loopback only."""
SECRETS = {"oidc": "CHURNML_OIDC_SECRET", "mail": "CHURNML_MAIL_PASSWORD"}
"""Environment variables of a bento: the client's secret at the identity provider, and the password of SMTP."""
SETTINGS = "CHURNML_SETTINGS"
"""Environment variable: settings as JSON, handed by `churnml.serving.run` to the processes it starts."""


class Settings(BaseModel):
    """What one service serves and how.

    Examples
    --------
    >>> settings = Settings(name="acme", bundles_dir="models", registered_model="acme",
    ...                     store_url="sqlite:///store.db", config_version="0f0f0f0f0f0f")
    >>> Settings.model_validate_json(settings.model_dump_json()) == settings
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The config's name, under which snapshots are stored")
    bundles_dir: Path = Field(description="Folder of the model bundles")
    registered_model: str = Field(description="Name of the model whose champion is served")
    store_url: str = Field(description="SQLAlchemy URL; empty in a bento")
    config_version: str = Field(description="The config's hash")
    currency: str = Field("USD", description="Currency of all amounts")
    language: Language = Field("en", description="Language where a request names none")
    alerts: AlertsConfig = Field(default_factory=AlertsConfig, description="Whose working days count")
    playbooks: Path | None = Field(None, description="YAML file of the playbooks")
    experiments: ExperimentsConfig = Field(default_factory=ExperimentsConfig, description="Whom nobody contacts")
    episode_days: int = Field(90, ge=1, description="How long an account stays in its arm of an experiment")
    edges: tuple[float, float] = Field((40.0, 70.0), description="Where red ends and green begins without a model")
    seed: int = Field(7, description="The config's seed")
    targets: tuple[str, ...] = Field((), description="Targets of deliveries that are on")
    display: DisplayConfig = Field(default_factory=DisplayConfig, description="What raw names are called on pages")
    limits: ApiLimits = Field(default_factory=ApiLimits, description="Limits of requests")
    sign_in: SignInConfig = Field(default_factory=SignInConfig, description="Who may look at the pages, and how")
    proxies: tuple[str, ...] = Field(("127.0.0.1", "::1"), description="Proxies whose forwarded headers are believed")
    mail: EmailTarget | None = Field(None, description="SMTP server that mails sign-in links")
    secrets: dict[str, str] = Field(
        default_factory=dict, repr=False, description="`oidc` and `mail`, in the clear; a bento holds none"
    )
    insecure: bool = Field(False, description="Ask for no API key")
    shared: Path | None = Field(None, description="Folder of what several worker processes count together")
    late_after_hours: float = Field(30.0, gt=0, description="So long after the last daily run the next one is late")
    refresh_seconds: float = Field(1.0, gt=0, description="How often to look for a new champion or snapshot")
    timeout_seconds: float = Field(30.0, gt=0, description="Longest time an answer may take")

    @classmethod
    def from_config(cls, config: Config, *, insecure: bool = False) -> Self:
        """Take from a config what serving needs; ``CHURNML_STORE_URL`` wins over the config's store.

        Raises
        ------
        UsageError
            The config's target is not churn.
        """
        config.require_churn("service")
        sign_in = config.serving.sign_in
        mail = mail_section(sign_in, config.deliveries.emails)
        held = {
            "oidc": in_the_clear(sign_in.oidc.client_secret if sign_in.oidc else None),
            "mail": in_the_clear(mail.password if mail else None),
        }
        return cls(
            name=config.name,
            bundles_dir=config.bundles_dir,
            registered_model=config.registered_model,
            store_url=os.environ.get(STORE_URL) or config.store_url,
            config_version=config.hash,
            currency=config.currency,
            language=config.language,
            alerts=config.alerts,
            playbooks=None if config.playbooks is None else config.resolve(config.playbooks),
            experiments=config.experiments,
            episode_days=config.experiments.days or config.label.horizon_days,
            edges=config.health.edges,
            seed=config.seed,
            targets=tuple(config.deliveries.targets()),
            display=config.display,
            limits=config.serving.limits,
            late_after_hours=config.daily.late_after_hours,
            sign_in=sign_in,
            proxies=config.serving.proxies,
            mail=mail,
            secrets={name: secret for name, secret in held.items() if secret is not None},
            insecure=insecure,
            shared=shared_folder(),
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Read ``CHURNML_SETTINGS``, or the config that ``CHURNML_CONFIG`` names.

        Raises
        ------
        ConfigError
            Neither variable is set, the config cannot be read, or a bento is served without a store.
        """
        if text := os.environ.get(SETTINGS):
            return cls.model_validate_json(text)._with_store()
        path = os.environ.get(CONFIG)
        if not path:
            raise ConfigError(
                Text.of("fault-serve_config"),
                where=Text.of("fault-serve_config.where", name=str(CONFIG)),
                code="serving.no_config",
            )
        return cls.from_config(load_config(path), insecure=os.environ.get(INSECURE) == "1")

    def _with_store(self) -> Self:
        """Return the settings with the store and the secrets that the environment names, if they hold none."""
        if self.store_url:
            return self
        secrets = {name: os.environ[variable] for name, variable in SECRETS.items() if variable in os.environ}
        url = os.environ.get(STORE_URL)
        if not url:
            raise ConfigError(
                Text.of("fault-bento_store"),
                where=Text.of("fault-bento_store.where", name=str(STORE_URL)),
                code="serving.no_store",
            )
        return self.model_copy(update={"store_url": url, "secrets": secrets})
