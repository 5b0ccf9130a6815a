"""The sections of the config that say what to predict and how; each frozen, each refusing unknown keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from churnml.config.section import Section, Share
from churnml.config.sign_in import Network, SignInConfig
from churnml.language import Text, WrongValueError

if TYPE_CHECKING:
    from churnml.config.needs import LearningSections


@dataclass(frozen=True)
class TargetWords:
    """What a target is called in sentences, as in "an account that expands"."""

    noun: str
    one: str
    other: str
    many: str
    others: str
    likeliest: str


_TARGET_WORDS = {
    "churn": TargetWords("churn", "a churner", "a stayer", "churners", "stayers", "riskiest"),
    **{
        target: TargetWords(
            target,
            f"an account that {verb}s",
            "one that does not",
            f"accounts that {verb}",
            "accounts that do not",
            "likeliest",
        )
        for target, verb in (("expansion", "expand"), ("contraction", "contract"))
    },
}


def target_words(target: str) -> TargetWords:
    """Return what a target is called in sentences.

    Examples
    --------
    >>> target_words("expansion").many
    'accounts that expand'
    """
    return _TARGET_WORDS[target]


class LabelConfig(Section):
    """What to predict, what churn is, and how far ahead to look."""

    target: Literal["churn", "expansion", "contraction"] = Field(
        "churn",
        description="`expansion`: more seats, more MRR, or an upsell or cross-sell won. `contraction`: MRR falls and "
        "the account stays",
    )
    churn: Literal["contractual", "silence"] = Field(
        description="`contractual`: subscriptions end and none follows. `silence`: no activity for `silence_days`"
    )
    horizon_days: int = Field(90, ge=1, description="Length of the label window, days")
    further_horizons_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="Horizons to predict as well, e.g. `[30, 180]`; health, verdict and ranking go by `horizon_days`",
    )
    gap_days: int = Field(0, ge=0, description="Days between `as_of` and the label window: time to act")
    grace_days: int = Field(14, ge=0, description="Contractual: a renewal this many days late is still a renewal")
    trials: Literal["count", "leave_out"] = Field(
        "count",
        description="Contractual: whether a contract of MRR 0 (a trial, a free plan) makes a customer, whose end is "
        "churn. `leave_out`: an account is a customer from its first paid contract on",
    )
    silence_days: int | None = Field(None, ge=1, description="Silence: days without activity; default `horizon_days`")
    settle_days: int = Field(0, ge=0, description="Further days to wait for late facts before a label counts as final")
    activity: tuple[str, ...] = Field((), description="Silence: event types that count as activity; empty = all")
    change_share: float = Field(
        0.1,
        gt=0,
        description="Expansion, contraction: the least change of MRR or seats that counts, as a share of what runs at "
        "`as_of`",
    )
    expansion_by: tuple[Literal["mrr", "seats", "deals"], ...] = Field(
        ("mrr", "seats", "deals"),
        min_length=1,
        description="Expansion: what counts. `deals`: upsells and cross-sells won. Without `mrr` a price rise is none",
    )

    @property
    def words(self) -> TargetWords:
        """What the target is called in sentences."""
        return target_words(self.target)

    @property
    def silence(self) -> int:
        """Days without activity that make a silence churn."""
        return self.silence_days if self.silence_days is not None else self.horizon_days

    @property
    def final_after_days(self) -> int:
        """Days after the label window until nothing changes a label any more: grace of late renewals, late facts."""
        graced = self.churn == "contractual" or self.target != "churn"
        return self.settle_days + (self.grace_days if graced else 0)

    @property
    def purge_days(self) -> int:
        """Days between a snapshot and the first at which its label is known: gap, horizon, grace and settling."""
        return self.gap_days + self.horizon_days + self.final_after_days

    @property
    def horizons(self) -> tuple[int, ...]:
        """Every horizon asked for, days, the shortest first."""
        return tuple(sorted((self.horizon_days, *self.further_horizons_days)))

    def at_horizon(self, days: int) -> LabelConfig:
        """Return the same question asked at one horizon alone; what counts as silence stays what it is."""
        silence = self.silence if self.churn == "silence" else self.silence_days
        return self.model_copy(
            update={"horizon_days": days, "further_horizons_days": (), "silence_days": silence},
        )

    @model_validator(mode="after")
    def _target_fits(self) -> Self:
        if self.target == "contraction" and self.churn == "silence":
            raise WrongValueError(Text.of("wrong-contraction"))
        if self.target == "contraction" and self.change_share >= 1:
            raise WrongValueError(Text.of("wrong-change_share", share=f"{self.change_share:g}"))
        return self

    @model_validator(mode="after")
    def _horizons_differ(self) -> Self:
        twice = [days for days in set(self.horizons) if self.horizons.count(days) > 1]
        if twice:
            raise WrongValueError(Text.of("wrong-horizon_twice", days=str(min(twice)), horizon=str(self.horizon_days)))
        shortest = min(self.horizons)
        if self.churn == "silence" and shortest < self.silence <= self.horizon_days:
            raise WrongValueError(Text.of("wrong-silence.further", silence=str(self.silence), horizon=str(shortest)))
        return self

    @model_validator(mode="after")
    def _silence_fits(self) -> Self:
        if self.churn == "silence" and self.silence > self.horizon_days:
            raise WrongValueError(
                Text.of("wrong-silence.own", silence=str(self.silence), horizon=str(self.horizon_days))
            )
        return self


class CohortConfig(Section):
    """Which accounts a snapshot asks about, from facts known before its `as_of`."""

    min_tenure_days: int = Field(0, ge=0, description="Days since the account's first known fact")
    active_within_days: int | None = Field(
        None, ge=1, description="An event in so many days before `as_of`; silence churn defaults to `silence_days`"
    )
    min_events: int = Field(0, ge=0, description="Events known before `as_of`")
    min_users: int = Field(0, ge=0, description="Distinct users known before `as_of`")


class SnapshotConfig(Section):
    """The as-of dates."""

    every: Literal["month", "week"] | Annotated[int, Field(ge=1)] = Field(
        "month", description="First day of each month, each Monday, or every N days counted back from the end"
    )
    before_renewal_days: tuple[int, ...] = Field(
        (), description="Instead of `every`: so many days before each account's own renewals"
    )
    first: date | None = Field(None, description="First `as_of`; default: 28 days after the data starts")
    last: date | None = Field(None, description="Last `as_of`; default: the end of the data")


class FixedSplit(Section):
    """One train/test split by date; all bounds are `as_of` dates, inclusive."""

    train_from: date | None = Field(None, description="First training `as_of`; default: the first snapshot")
    train_until: date = Field(description="Last training `as_of`")
    test_from: date = Field(description="First test `as_of`, at least gap + horizon after `train_until`")
    test_until: date = Field(description="Last test `as_of`")


class SplitConfig(Section):
    """How the backtest splits time."""

    folds: int = Field(3, ge=1, description="Rolling-origin folds")
    test_snapshots: int = Field(2, ge=1, description="Consecutive as-of dates a fold tests on")
    fixed: tuple[FixedSplit, ...] = Field((), description="Explicit splits instead of rolling ones")


class FeatureConfig(Section):
    """Which features to make."""

    windows_days: tuple[Annotated[int, Field(ge=1)], ...] = Field((7, 28, 91, 182), description="Windows, days")
    families: tuple[str, ...] = Field((), description="Families to make; empty = all that the tables allow")
    event_types: tuple[str, ...] = Field((), description="Kinds counted one by one; empty = the most frequent ones")
    max_event_types: int = Field(12, ge=0, description="How many kinds to count one by one when none are named")
    core_features: tuple[str, ...] = Field((), description="Event types that show the product's core use")
    login_events: tuple[str, ...] = Field((), description="Event types that are logins; empty = `login` if it exists")
    attributes: tuple[str, ...] = Field((), description="Account attributes used as categorical features")
    peer_by: str | None = Field(None, description="Attribute that makes the peer group; default plan, then size")
    exclude: tuple[str, ...] = Field((), description="Feature names, or globs, to leave out")
    extra: tuple[str, ...] = Field((), description="Measures that are off unless named here: `cohort_month`")
    modules: tuple[str, ...] = Field((), description="Python modules or files with your own features")

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    def resolve(self, path: Path) -> Path:
        """Return a path of the config, e.g. of a module, as an absolute one."""
        path = path.expanduser()
        return path if path.is_absolute() else (self._base / path).resolve()


class ModelConfig(Section):
    """The estimator."""

    kind: Literal["auto", "lightgbm", "logistic"] = Field("auto", description="auto: by the number of churners")
    params: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="LightGBM parameters that override churnml's defaults"
    )
    seeds: int = Field(3, ge=1, le=50, description="Models that are averaged, each with its own seed")
    calibration: Literal["auto", "platt", "isotonic", "beta", "none"] = Field(
        "auto", description="auto: by the number of churners in the calibration slice"
    )
    min_churners: int = Field(
        7, ge=2, description="Fewer churned accounts than this in training is an error; an account counts once"
    )
    stayers_per_churner: int | None = Field(
        10,
        ge=2,
        description="Rows that stayed to learn from for each that churned, where there are more than 30,000, and "
        "at most 100,000; each then stands for several. null: all rows",
    )
    promotion_gain: float = Field(
        0.0, ge=0, description="Log loss a challenger must gain on the champion, beyond noise, to take its place"
    )


@dataclass(frozen=True)
class LearningConfig:
    """What fitting a model reads of a config: the question, the estimator, and the seed."""

    label: LabelConfig
    model: ModelConfig
    seed: int

    @classmethod
    def of(cls, config: LearningSections) -> Self:
        """Take them from a config."""
        return cls(label=config.label, model=config.model, seed=config.seed)


class MeasureConfig(Section):
    """One measure of the health score."""

    feature: str = Field(description="Feature that carries the measure")
    group: str = Field(description="Group whose weight it shares")
    weight: float = Field(ge=0, description="Weight inside the group")
    points: tuple[tuple[float, float], ...] = Field(
        min_length=2, description="(value, score 0–100) pairs of a piecewise-linear scale, in order of value"
    )
    valid_days: int | None = Field(None, ge=1, description="Older facts count as missing")
    age_feature: str | None = Field(None, description="Feature that tells the age of the fact, days")


class HealthConfig(Section):
    """The health score."""

    preset: Literal["reference", "balanced", "fitted"] = Field("reference", description="Starting weights")
    alpha: Share | Literal["auto", "fitted"] = Field(
        "auto",
        description="Share of the model in the blend; auto: as little as ranks held-out churners as well as the best "
        "blend, 0.5 where there are too few of them. `fitted` insists on that",
    )
    weights: dict[str, float] = Field(default_factory=dict, description="Group → weight, replacing the preset's")
    measures: dict[str, MeasureConfig] = Field(default_factory=dict, description="Measures added or replaced")
    by_segment: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Segment → group → weight, where segments weigh otherwise"
    )
    by_phase: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Phase → group → weight, where phases weigh otherwise"
    )
    red_below: Annotated[float, Field(ge=0, le=100)] | Literal["auto"] = Field(
        "auto", description="Red under this score; auto: as many as the team can call (`capacity`), 40 without history"
    )
    green_from: Annotated[float, Field(ge=0, le=100)] | Literal["auto"] = Field(
        "auto",
        description="Green from this score; auto: where two thirds of churners were below 60–90 days before, 70 "
        "without history",
    )
    min_coverage: Share = Field(0.5, description="Less covered weight than this: band unknown")
    far_days: int = Field(90, ge=1, description="A renewal is far that lies more than so many days ahead")
    far_yellow: Share = Field(
        0.3,
        description="Share of the accounts far from their renewal that are yellow at most, those most likely to leave "
        "among them; learned in training, so later dates differ. 0: none",
    )

    @model_validator(mode="after")
    def _bands_in_order(self) -> Self:
        if self.red_below != "auto" and self.green_from != "auto" and self.red_below >= self.green_from:
            raise WrongValueError(Text.of("wrong-bands", red=str(self.red_below), green=str(self.green_from)))
        return self

    @property
    def edges(self) -> tuple[float, float]:
        """Where red ends and green begins before a model was trained, health points."""
        return (
            40.0 if self.red_below == "auto" else self.red_below,
            70.0 if self.green_from == "auto" else self.green_from,
        )


class CapacityConfig(Section):
    """How many accounts the team can look after, and what a call costs and saves."""

    share: Share = Field(0.1, description="Share of accounts the team can contact per snapshot")
    csms: int | None = Field(None, ge=1, description="Number of CSMs")
    calls_per_week: int | None = Field(None, ge=1, description="Calls a CSM can make in a week")
    contact_cost: float = Field(50.0, ge=0, description="Cost of one contact, currency")
    offer_cost: float = Field(0.0, ge=0, description="Cost of the offer to one account that takes it, currency")
    save_rate: Share = Field(0.15, description="Assumed share of contacted churners that stay; an assumption")


class EngineConfig(Section):
    """What runs the analytics."""

    backend: str = Field("duckdb", description="duckdb, pyspark, or any other Ibis backend")
    memory_limit: str = Field(
        "2GB",
        description="DuckDB: memory before it spills to disk; the events laid out for features keep to the same number",
    )
    threads: int | None = Field(None, ge=1, description="DuckDB: threads; default all cores")
    options: dict[str, str | int | bool] = Field(default_factory=dict, description="Passed to the backend's connect")
    keep_events: bool = Field(
        False,
        description="DuckDB: keep the events laid out in the workspace, so that scoring reads only what became known "
        "since; for sources whose past never changes, except by facts with a newer `known_at`",
    )


class MlflowConfig(Section):
    """Where experiments are tracked."""

    tracking_uri: str | None = Field(None, description="Default: SQLite in the workspace")
    experiment: str | None = Field(None, description="Default: the config's name")
    registered_model: str | None = Field(
        None,
        description="Default: the config's name, followed by the target where that is not churn (`acme-expansion`)",
    )


class RetentionConfig(Section):
    """How long the store keeps what, counted back from the newest snapshot; an account's last score always stays."""

    features: int = Field(2, ge=1, description="Newest snapshots of which the features are kept, for what-if")
    explanations_days: int = Field(30, ge=1, description="Explanations, curves and details of older scores are removed")
    daily_days: int = Field(90, ge=84, description="Each day's scores are kept for so long (trends look back 12 weeks)")
    weekly_days: int = Field(365, ge=84, description="Then the last of each week; beyond this, the last of each month")
    audit_days: int | None = Field(None, ge=1, description="Older audit entries are removed; default: none are")


class StoreConfig(Section):
    """The operational store."""

    url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in the workspace")
    retention: RetentionConfig = Field(RetentionConfig(), description="How long what is kept")


class ApiLimits(Section):
    """Limits of the API."""

    max_batch: int = Field(1000, ge=1, description="Items in one batch request")
    max_body_bytes: int = Field(2_000_000, ge=1000, description="Size of a request body")
    requests_per_minute: int = Field(6000, ge=1, description="Per API key")
    max_connections: int = Field(
        1000, ge=1, description="Open connections of a process; fewer where it may open few files"
    )


class ServingConfig(Section):
    """The API."""

    host: str = Field("127.0.0.1", description="Address to bind")
    port: int = Field(3000, ge=1, le=65535, description="Port to bind")
    limits: ApiLimits = Field(ApiLimits(), description="Limits of the API")
    proxies: tuple[Network, ...] = Field(
        ("127.0.0.1", "::1"), description="Proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    sign_in: SignInConfig = Field(SignInConfig(), description="Who may look at the pages, and how")
