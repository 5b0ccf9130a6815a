"""Pages for CSMs and their managers: made on the server, each a URL, in every language."""

from churnml.serving.pages import brief, company, company_parts, portfolio, proof, renewals, sign_in, static, team
from churnml.serving.pages.problems import page_of_problem

__all__ = ["ROUTERS", "page_of_problem"]

ROUTERS = (
    static.router,
    sign_in.router,
    company.router,
    company_parts.router,
    renewals.router,
    team.router,
    proof.router,
    portfolio.router,
    brief.router,
)
