"""Pages for CSMs and their managers: made on the server, each a URL, in every language."""

from churnml.serving.pages import brief, portfolio, settings, sign_in, static
from churnml.serving.pages.problems import page_of_problem

__all__ = ["ROUTERS", "page_of_problem"]

ROUTERS = (static.router, sign_in.router, *settings.ROUTERS, portfolio.router, brief.router)
