"""Settings: people, keys, rules and playbooks, names, deliveries, and who changed what; for administrators."""

from churnml.serving.pages.settings import deliveries, keys, people, records, rules

__all__ = ["ROUTERS"]

ROUTERS = (people.router, keys.router, rules.router, deliveries.router, records.router)
