"""The model in use with all that turns features into an assessment: load it once, ask it anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pandas as pd

from churnml.assessment.records import Assessments
from churnml.config import DisplayConfig, FeatureConfig, SurvivalConfig
from churnml.config.needs import ChampionSections
from churnml.errors import BundleError
from churnml.explain import ChangedFacts, ExplainReference, Explanation, explanations_of
from churnml.explain.batch import row_parts
from churnml.health import HealthScale, HealthVerdict, Reading, compositions, score_health
from churnml.language import Text
from churnml.registry import Bundle, load_champion
from churnml.scoring import score
from churnml.training import ChurnModel
from churnml.training.survival_verdict import SurvivalVerdict

if TYPE_CHECKING:
    from churnml.explain.lifetime import Lifetime

__all__ = ["Champion"]

_DECISIONS = ("next_decision_days", "contract_days")


@dataclass(frozen=True)
class Champion:
    """A verified bundle, ready to assess accounts: score → health → explanation, the same for every caller.

    Parameters
    ----------
    bundle : Bundle
        Model and manifest.
    scale : HealthScale
        The health score's recipe.
    reference : ExplainReference
        What is normal, for the explanations.
    currency : str
        ISO code of the amounts in explanations.
    display : DisplayConfig
        What raw names are called in them.
    money : SurvivalConfig
        What residual values are made with.

    Examples
    --------
    ::

        champion = Champion.load(load_config("configs/demo.yaml"))
        for assessment in champion.assess(frame):
            print(assessment.account_id, assessment.health_score, assessment.explanation.band)

    See Also
    --------
    churnml.scoring.score : The probability alone.
    churnml.assessment.what_if : The same account with other facts.
    """

    bundle: Bundle
    scale: HealthScale
    reference: ExplainReference
    currency: str = "USD"
    display: DisplayConfig = field(default_factory=DisplayConfig)
    money: SurvivalConfig = field(default_factory=SurvivalConfig)

    @classmethod
    def load(cls, config: ChampionSections) -> Self:
        """Load the champion of a config.

        Raises
        ------
        BundleError
            No model has been trained yet, its bundle is broken, or it predicts another target than the config asks
            for.
        """
        bundle = load_champion(config.bundles_dir, config.registered_model)
        champion = cls.of(bundle, currency=config.currency, display=config.display, money=config.survival)
        if champion.model.target != config.label.target:
            raise BundleError(
                Text.of("fault-champion_target", model=champion.model.target, asked=config.label.target),
                where="label.target",
                got=f"{champion.bundle.manifest.name} {champion.version}",
                code="bundle.target",
            )
        return champion

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        *,
        currency: str = "USD",
        display: DisplayConfig | None = None,
        money: SurvivalConfig | None = None,
    ) -> Self:
        """Make a champion of a bundle at hand."""
        scale, reference = HealthScale.from_dict(bundle.health), ExplainReference.from_dict(bundle.explain)
        return cls(bundle, scale, reference, currency, display or DisplayConfig(), money or SurvivalConfig())

    @property
    def model(self) -> ChurnModel:
        """What predicts."""
        return self.bundle.model

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.bundle.version

    @property
    def survival(self) -> SurvivalVerdict | None:
        """Whether survival curves are shown, and why; None in bundles of earlier versions."""
        return self.bundle.survival

    @property
    def health_verdict(self) -> HealthVerdict:
        """What the health score may make of the model: its verdict, or that it predicts something else than churn."""
        return HealthVerdict.of(self.bundle.manifest.verdict, self.model.target)

    def as_trained(self, features: FeatureConfig) -> FeatureConfig:
        """Return the features section that the model was trained with.

        A feature must mean at scoring what it meant in training, also after the config was edited. Paths of own
        features start where the config lies now, not where the process was started.
        """
        section = FeatureConfig.model_validate(self.bundle.manifest.config["features"])
        return features.model_copy(update=dict(section))

    def assess(self, frame: pd.DataFrame, previous: pd.DataFrame | None = None) -> Assessments:
        """Score every row, judge its health and explain it.

        Parameters
        ----------
        frame : DataFrame
            ``account_id, as_of`` and the features of model and health score, one row per key.
        previous : DataFrame, optional
            The same of earlier dates: an explanation compares an account with itself.

        Returns
        -------
        Assessments
            In the frame's order.

        Raises
        ------
        DataError
            A key or a feature is missing, stands twice, or is of the wrong kind.
        """
        judged = self.judge(frame)
        return Assessments(
            judged.scores,
            judged.health,
            tuple(self.explain(frame, judged, previous)),
            judged.output,
            judged.horizon_columns,
            judged.lifetimes,
        )

    def changed_facts(self, now: pd.DataFrame, then: pd.DataFrame) -> ChangedFacts:
        """Return what tells the changes of accounts between two dates, see `churnml.assessment.score_changes`."""
        return ChangedFacts(
            self.model,
            now,
            then,
            self.reference,
            currency=self.currency,
            display=self.display,
            core_features=self._core_features,
        )

    @property
    def _core_features(self) -> tuple[str, ...]:
        return tuple(self.bundle.manifest.config["features"].get("core_features", ()))

    def judge(self, frame: pd.DataFrame) -> Assessments:
        """Score every row and judge its health, without explanations.

        Where survival curves are shown and the frame has the columns of `churnml.snapshots.coming_decisions`, each row
        has its curve, too.
        """
        scores = score(self.model, frame)
        healths = score_health(
            frame, scores, scale=self.scale, base_rate=self.model.base_rate, verdict=self.health_verdict
        )
        return Assessments(
            scores, healths, (), self.model.output, self.model.horizon_columns, self.lifetimes(frame, scores)
        )

    def compositions(self, frame: pd.DataFrame, judged: Assessments) -> pd.DataFrame:
        """Return what the health scores of judged rows are made of, see `churnml.health.compositions`."""
        return compositions(frame, judged.health, self.scale)

    def lifetimes(self, frame: pd.DataFrame, scores: pd.DataFrame) -> tuple[Lifetime, ...]:
        """Return when each row's account will be lost and what it is worth until then, in the frame's order.

        A curve agrees with the probability of the label's horizon, which is that of `scores`. Empty where no curves are
        shown, or the frame lacks ``arr`` or the columns of `churnml.snapshots.coming_decisions`.

        Parameters
        ----------
        frame : DataFrame
        scores : DataFrame
            Of the same rows, from `churnml.scoring.score`.

        Raises
        ------
        BundleError
            The model of the curves cannot be read.
        """
        hazard = self.bundle.hazard
        if hazard is None or self.survival is None or any(name not in frame for name in (*_DECISIONS, "arr")):
            return ()
        from churnml.explain.renewal import renewal_drivers
        from churnml.retention.lifetimes import lifetimes

        days, gap = self.model.horizon_days, int(self.bundle.manifest.config["label"].get("gap_days", 0))
        forecast = hazard.predict_survival(frame).anchored(days, scores[self.model.output].to_numpy(dtype=float), gap)
        return lifetimes(
            frame,
            forecast,
            horizon_days=days,
            gap_days=gap,
            gross_margin=self.money.gross_margin,
            yearly_discount=self.money.yearly_discount,
            monthly_growth=self.survival.monthly_growth,
            level=self.money.level,
            drivers=[
                driver
                for part in row_parts(len(frame))
                for driver in renewal_drivers(hazard.renewal_contributions(frame.iloc[part]), self.model.features)
            ],
        )

    def explain(
        self, frame: pd.DataFrame, judged: Assessments, previous: pd.DataFrame | None = None
    ) -> list[Explanation]:
        """Explain rows that were judged, see `assess`."""
        return list(self.explanations(frame, judged, previous))

    def explanations(
        self,
        frame: pd.DataFrame,
        judged: Assessments,
        previous: pd.DataFrame | None = None,
        order: Iterable[int] | None = None,
    ) -> Iterator[Explanation]:
        """Explain rows that were judged one after the other, by default in the frame's order.

        Parameters
        ----------
        order : iterable of int, optional
            Positions of the rows, in the order that is wanted.
        """
        return explanations_of(
            self.model,
            frame,
            scores=judged.scores,
            health=judged.health,
            scale=self.scale,
            reference=self.reference,
            previous=previous,
            currency=self.currency,
            display=self.display,
            core_features=self._core_features,
            order=order,
        )

    def reading(self, frame: pd.DataFrame) -> Reading:
        """Return all that the health scores of a frame are made of, to tell later why they moved."""
        return Reading(
            frame=frame,
            scores=score(self.model, frame),
            scale=self.scale,
            base_rate=self.model.base_rate,
            verdict=self.health_verdict,
        )
