"""Pages for CSMs: the portfolio at ``/`` and one page an account, in English and Japanese."""

from churnml.serving.pages import brief, portfolio

__all__ = ["ROUTERS"]

ROUTERS = (portfolio.router, brief.router)
