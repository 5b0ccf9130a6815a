"""Deliveries: what was scored and what alerts found, in the tools where people work; each thing once, whatever happens.

A change notes itself in the outbox in its own transaction; planning turns it into what each target is to hold;
sending brings it there, one outcome a record.
"""

from churnml.deliveries.adapter import Adapter, Finding
from churnml.deliveries.gateway import Request
from churnml.deliveries.running import Delivered, Planned, check_targets, deliver, preview
from churnml.deliveries.sent import Sending

__all__ = ["Adapter", "Delivered", "Finding", "Planned", "Request", "Sending", "check_targets", "deliver", "preview"]
