"""One sentence per driver, in English and Japanese, from what the feature says about itself.

A sentence states facts about the account and never a cause. Labels are noun phrases in the plural where they count
things ("active users"); values agree in number with their unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from churnml.explain.words import amount, change, day, number, percent, unit_of
from churnml.features.spec import FeatureSpec

__all__ = ["Facts", "sentence_en", "sentence_ja"]

_MATERIAL = 0.1
_OUTLYING = 0.6
_NEARLY_ALL = 0.97
_SLOPE = re.compile(r"_slope_(\d+)w$")
_TREND = re.compile(r"_trend_\d+d$")
_PEAK = re.compile(r"_from_peak(_\d+d)?$")


@dataclass(frozen=True)
class Facts:
    """What a sentence may tell about one feature of one account.

    Parameters
    ----------
    spec : FeatureSpec
        The feature; for a trend whose level is known, the level's.
    value : float, str or None
        The account's value; None is missing.
    previous : float or None
        The value to compare with.
    previous_on : str or None
        ISO date of `previous` where it comes from an earlier snapshot; None: from the window before.
    typical : float or None
        Median of comparable accounts.
    below, above : float or None
        Share of comparable accounts strictly below and above the value.
    toward : int
        +1 where a high or rising value fits the driver's effect, −1 where a low or falling one does, 0 unknown:
        a comparison that points the other way is left out.
    currency : str
        ISO code.
    """

    spec: FeatureSpec
    value: float | str | None
    previous: float | None = None
    previous_on: str | None = None
    typical: float | None = None
    below: float | None = None
    above: float | None = None
    toward: int = 0
    currency: str = "USD"

    def said(self, value: float, language: str, *, bare: bool = False) -> str:
        """Return a value with its unit."""
        return amount(value, self.spec.unit, language, currency=self.currency, bare=bare)

    @property
    def named(self) -> bool:
        """Whether the English label names the unit already."""
        many, label = unit_of(self.spec.unit).many, self.spec.label_en.lower()
        return bool(many) and (many in label.split() or many.removesuffix("s") in label.split())

    @property
    def moved(self) -> int:
        """+1 or −1 where the change is worth telling, else 0."""
        if self.previous is None or not isinstance(self.value, float):
            return 0
        step = self.value - self.previous
        size = abs(self.previous) if self.previous else 1.0
        if abs(step) < _MATERIAL * size or self.said(self.value, "en") == self.said(self.previous, "en"):
            return 0
        way = 1 if step > 0 else -1
        return way if self.toward in (0, way) else 0

    @property
    def standing(self) -> tuple[int, float]:
        """(+1, share below) for a high value, (−1, share above) for a low one, (0, 0) for an ordinary one."""
        below, above = self.below or 0.0, self.above or 0.0
        if below >= _OUTLYING and self.toward >= 0:
            return 1, below
        if above >= _OUTLYING and self.toward <= 0:
            return -1, above
        return 0, 0.0


def sentence_en(facts: Facts) -> str:
    """Return the English sentence, without a full stop.

    Examples
    --------
    >>> spec = FeatureSpec("active_users_28d", "engagement", "users", "", "active users",
    ...                    "アクティブユーザー数", "", "", "events", 28, "active_users")
    >>> sentence_en(Facts(spec, 5.0, previous=14.0))
    'Active users fell from 14 to 5 in 28 days (−64 %)'
    >>> sentence_en(Facts(spec, 1.0, typical=12.0, below=0.0, above=0.9))
    '1 active user in 28 days, lower than at 90 % of accounts (typically 12)'
    """
    spec, value = facts.spec, facts.value
    if value is None:
        why = spec.missing.replace("`as_of`", "the day of the score")
        return _upper(f"no value for {spec.label_en}" + (f": {why}" if why else ""))
    if isinstance(value, str):
        return _upper(f"{spec.label_en}: {value}")
    special = _delay_en(facts, value) if _is_delay(spec) else _special_en(facts, value)
    if special:
        return _upper(special)
    period = f" in {amount(spec.window_days, 'days', 'en')}" if spec.window_days else ""
    if facts.moved and facts.previous is not None:
        return _upper(_moved_en(facts, value, facts.previous, period))
    return _upper(_level_en(facts, value, period) + _standing_en(facts))


def _moved_en(facts: Facts, value: float, previous: float, period: str) -> str:
    verb = "rose" if facts.moved > 0 else "fell"
    if facts.previous_on:
        period = f" since {day(facts.previous_on, 'en')}"
    before, after = facts.said(previous, "en", bare=facts.named), facts.said(value, "en", bare=facts.named)
    share = "" if facts.spec.unit == "share" else change(previous, value, "en")
    return f"{facts.spec.label_en} {verb} from {before} to {after}{period}" + (f" ({share})" if share else "")


def _level_en(facts: Facts, value: float, period: str) -> str:
    spec, said = facts.spec, unit_of(facts.spec.unit)
    if _spans_days(spec):
        return _days_en(spec.label_en, value)
    if said.many and spec.label_en.endswith(f" {said.many}") and said.whole:
        label = spec.label_en
        if number(value) == "1":
            label = label.removesuffix(said.many) + said.one
        count = "no" if value == 0 else number(value)
        return f"{count} {label}{period}"
    if value == 0 and said.many and said.whole and facts.named and spec.label_en.split()[0] == said.many:
        return f"no {spec.label_en}{period}"
    return f"{spec.label_en}: {facts.said(value, 'en', bare=facts.named and not _countable(spec))}{period}"


def _countable(spec: FeatureSpec) -> bool:
    """Whether "Label: 3 units" reads better with the unit: a duration or a size, not a count of the label itself."""
    return spec.unit in ("days", "hours", "weeks", "months", "years")


def _days_en(label: str, value: float) -> str:
    days = amount(round(value), "days", "en")
    if label.startswith("days since "):
        what = label.removeprefix("days since ")
        if what.split()[-1] in ("began", "ended", "started"):
            return f"{what} {days} ago" if round(value) > 0 else f"{what} today"
        article = "" if what.split()[0] in ("the", "a", "an", "any") else "the "
        return f"{article}{what} was {days} ago" if round(value) > 0 else f"{article}{what} was today"
    joint, what = label.removeprefix("days ").split(" ", 1)
    if round(value) == 0:
        return f"{what} is due today"
    if value < 0:
        return f"{what} is {amount(-round(value), 'days', 'en')} overdue"
    return f"{days} {joint} {what}"


def _standing_en(facts: Facts) -> str:
    way, share = facts.standing
    if not way:
        return ""
    words = _COMPARED.get(facts.spec.label_en.split(" ", 2)[1] if _spans_days(facts.spec) else "", ("higher", "lower"))
    text = f", {words[0] if way > 0 else words[1]} than at {_most_en(share)} accounts"
    if facts.typical is None:
        return text
    return text + f" (typically {facts.said(facts.typical, 'en', bare=facts.named and not _countable(facts.spec))})"


_COMPARED = {"since": ("longer ago", "more recent"), "to": ("later", "sooner"), "until": ("later", "sooner")}


def _spans_days(spec: FeatureSpec) -> bool:
    return spec.label_en.startswith(("days since ", "days until ", "days to "))


def _most_en(share: float) -> str:
    return "nearly all" if share >= _NEARLY_ALL else f"{percent(share, 'en')} of"


def _special_en(facts: Facts, value: float) -> str:
    """Sentences of trends, peers and flags; empty for levels and ages."""
    spec, label = facts.spec, facts.spec.label_en
    if spec.kind == "flag":
        return f"{label}: {'yes' if value else 'no'}"
    if spec.kind == "peer":
        way = "higher" if value >= 0.5 else "lower"
        return f"{_quantity(label)} {way} than at {percent(max(value, 1 - value), 'en')} of peer accounts"
    if spec.kind != "trend":
        return ""
    if weeks := _SLOPE.search(spec.name):
        verb = "rising" if value > 0 else "falling"
        return (
            f"{_quantity(label)} {verb} over {weeks[1]} weeks ({'+' if value > 0 else ''}{percent(value, 'en')} a week)"
        )
    if _PEAK.search(spec.name):
        below = percent(value, "en")
        return f"{_quantity(label)} {below} below their peak of the last year" if value > 0 else f"{label}: none"
    if not _TREND.search(spec.name):
        period = f" in {amount(spec.window_days, 'days', 'en')}" if spec.window_days else ""
        return f"{label}: {'+' if value > 0 else ''}{facts.said(value, 'en')}{period}"
    return _trend_en(spec, value)


def _is_delay(spec: FeatureSpec) -> bool:
    """Whether a level counts days after a due day, so that below 0 is early."""
    return spec.kind == "level" and spec.unit == "days" and "_delay_days" in spec.name


def _delay_en(facts: Facts, value: float) -> str:
    period = f" in {amount(facts.spec.window_days, 'days', 'en')}" if facts.spec.window_days else ""
    what = facts.spec.label_en.removeprefix("delay of ")
    way, share = facts.standing
    text = f"{what} {_late_en(value)} on average{period}"
    if not way:
        return text
    typical = "" if facts.typical is None else f" (typically {_late_en(facts.typical)})"
    return f"{text}, {'later' if way > 0 else 'earlier'} than at {_most_en(share)} accounts{typical}"


def _late_en(value: float) -> str:
    said = amount(abs(value), "days", "en")
    if said.startswith("0 "):
        return "on the due day"
    return f"{said} {'late' if value > 0 else 'early'}"


def _trend_en(spec: FeatureSpec, value: float) -> str:
    window = amount(spec.window_days or 0, "days", "en")
    label = _quantity(spec.label_en)
    if value <= -1:
        return f"{label} fell to none in {window}"
    if value >= 1:
        return f"{label} rose from none in {window}"
    share = 2 * value / (1 - value)
    if abs(share) < 0.005:
        return f"{label} unchanged against the {window} before"
    return f"{label} {'up' if share > 0 else 'down'} {percent(abs(share), 'en')} against the {window} before"


def _quantity(label: str) -> str:
    """Drop the words with which a label names its own kind: "trend of active users" says "active users"."""
    return re.sub(r"^(drop|\d+-week slope|trend|percentile|rank) (of|in) |( from their peak| among peers)$", "", label)


def sentence_ja(facts: Facts) -> str:
    """Return the Japanese sentence.

    Examples
    --------
    >>> spec = FeatureSpec("active_users_28d", "engagement", "users", "", "active users",
    ...                    "アクティブユーザー数", "", "", "events", 28, "active_users")
    >>> sentence_ja(Facts(spec, 5.0, previous=14.0))
    '過去28日間でアクティブユーザーが14人から5人に減少（−64%）'
    """
    spec, value = facts.spec, facts.value
    if value is None:
        return f"{spec.label_ja}のデータなし" + (f"：{spec.missing_ja}" if spec.missing_ja else "")
    if isinstance(value, str):
        return f"{spec.label_ja}：{value}"
    special = _delay_ja(facts, value) if _is_delay(spec) else _special_ja(facts, value)
    if special:
        return special
    if facts.moved and facts.previous is not None:
        start = f"{day(facts.previous_on, 'ja')}以降、" if facts.previous_on else _within(spec, "で")
        before, after = facts.said(facts.previous, "ja"), facts.said(value, "ja")
        share = "" if spec.unit == "share" else change(facts.previous, value, "ja")
        verb = "増加" if facts.moved > 0 else "減少"
        if spec.unit in ("share", "points", ""):
            verb = "上昇" if facts.moved > 0 else "低下"
        label = spec.label_ja.removesuffix("数") if unit_of(spec.unit).ja == "人" else spec.label_ja
        return f"{start}{label}が{before}から{after}に{verb}" + (f"（{share}）" if share else "")
    return _level_ja(facts, value) + _standing_ja(facts)


def _within(spec: FeatureSpec, particle: str) -> str:
    return f"過去{spec.window_days}日間{particle}" if spec.window_days else ""


def _level_ja(facts: Facts, value: float) -> str:
    label = facts.spec.label_ja
    for ending in ("からの日数", "までの日数"):
        if label.endswith(ending):
            passed = "経過" if ending.startswith("から") else ""
            if value < 0:
                return f"{label.removesuffix('までの日数')}の期日を{-round(value)}日超過"
            return f"{label.removesuffix('の日数')}{round(value)}日{passed}"
    return f"{_within(facts.spec, 'の')}{label}は{facts.said(value, 'ja')}"


def _standing_ja(facts: Facts) -> str:
    way, share = facts.standing
    typical = f"（中央値{facts.said(facts.typical, 'ja')}）" if facts.typical is not None else ""
    most = "ほぼすべてのアカウント" if share >= _NEARLY_ALL else f"アカウントの{percent(share, 'ja')}"
    if not way:
        return ""
    if facts.spec.label_ja.endswith("の日数"):
        return f"、{most}より{'長い' if way > 0 else '短い'}{typical}"
    return f"、{most}を{'上' if way > 0 else '下'}回る{typical}"


def _special_ja(facts: Facts, value: float) -> str:
    spec = facts.spec
    label = re.sub(r"^同類顧客内での|の(増減|12週間の傾き|ピークからの減少率)$", "", spec.label_ja)
    if spec.kind == "flag":
        return f"{spec.label_ja}：{'あり' if value else 'なし'}"
    if spec.kind == "peer":
        way = "上" if value >= 0.5 else "下"
        return f"{label}は類似アカウントの{percent(max(value, 1 - value), 'ja')}を{way}回る"
    if spec.kind != "trend":
        return ""
    if weeks := _SLOPE.search(spec.name):
        sign = "+" if value > 0 else ""
        return f"{label}は{weeks[1]}週間で{'増加' if value > 0 else '減少'}傾向（週あたり{sign}{percent(value, 'ja')}）"
    if _PEAK.search(spec.name):
        return f"{label}は過去1年の最高値を{percent(value, 'ja')}下回る" if value > 0 else f"{label}は過去1年の最高水準"
    if not _TREND.search(spec.name):
        return f"{_within(spec, 'の')}{spec.label_ja}は{'+' if value > 0 else ''}{facts.said(value, 'ja')}"
    return _trend_ja(spec, label, value)


def _delay_ja(facts: Facts, value: float) -> str:
    way, share = facts.standing
    what = facts.spec.label_ja.removesuffix("遅延日数")
    text = f"{_within(facts.spec, 'の')}{what}は平均で{_late_ja(value)}"
    if not way:
        return text
    typical = "" if facts.typical is None else f"（中央値は{_late_ja(facts.typical)}）"
    most = "ほぼすべてのアカウント" if share >= _NEARLY_ALL else f"アカウントの{percent(share, 'ja')}"
    return f"{text}、{most}より{'遅い' if way > 0 else '早い'}{typical}"


def _late_ja(value: float) -> str:
    said = amount(abs(value), "days", "ja")
    if said == "0日":
        return "期日どおり"
    return f"期日の{said}{'後' if value > 0 else '前'}"


def _trend_ja(spec: FeatureSpec, label: str, value: float) -> str:
    if value <= -1:
        return f"過去{spec.window_days}日間で{label}が0に減少"
    if value >= 1:
        return f"過去{spec.window_days}日間で{label}が0から増加"
    share = 2 * value / (1 - value)
    if abs(share) < 0.005:
        return f"過去{spec.window_days}日間の{label}は直前の{spec.window_days}日間と同水準"
    verb = "増加" if share > 0 else "減少"
    return f"過去{spec.window_days}日間の{label}は直前の{spec.window_days}日間より{percent(abs(share), 'ja')}{verb}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
