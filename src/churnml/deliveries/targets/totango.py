"""Totango: account attributes through its collector, which says only that the network worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from churnml.config.deliveries import TotangoTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, refused, sent
from churnml.store import DeliveryOutcome

__all__ = ["Totango"]


class Totango(Adapter):
    """Totango's HTTP collector. What it took stays `sent`: nothing can be read back."""

    topics: Mapping[str, Manner] = {"score": Manner()}

    def __init__(self, context: Context, section: TotangoTarget) -> None:
        self.section = section
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Send the attributes of one account."""
        record = records[0]
        form = {"sdr_s": self.secret(self.section.service_id), "sdr_o": record.account_id}
        if self.section.api_token is not None:
            form["api-token"] = self.secret(self.section.api_token)
        form |= {f"sdr_o.{name}": str(value) for name, value in record.values.items() if value is not None}
        answer = self.gateway.call("POST", f"{self.section.url.rstrip('/')}/pixel.gif/", form=form)
        if not answer.is_success:
            return [refused("refused", self.gateway.said(answer))]
        return [sent()]

    def check(self) -> Iterator[Finding]:
        """Say what cannot be checked."""
        yield self.finding(True, "Totango takes every attribute and proves none; look at one account after the first "
                                 "run. An account that it does not know is made by writing to it.")  # fmt: skip
