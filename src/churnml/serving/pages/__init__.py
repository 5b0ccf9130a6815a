"""Pages for CSMs and their managers: made on the server, each a URL, in every language."""

from churnml.serving.pages import accounts, brief, static, today, work
from churnml.serving.pages.problems import page_of_problem

__all__ = ["ROUTERS", "page_of_problem"]

ROUTERS = (static.router, today.router, accounts.router, work.router, brief.router)
