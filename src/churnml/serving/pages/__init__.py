"""Pages for CSMs and their managers: made on the server, each a URL, in every language."""

from churnml.serving.pages import (
    account,
    accounts,
    api_docs,
    company,
    company_parts,
    judging,
    proof,
    renewals,
    settings,
    sign_in,
    static,
    team,
    today,
    work,
)
from churnml.serving.pages.frame import compile_templates
from churnml.serving.pages.problems import page_of_problem

__all__ = ["ROUTERS", "compile_templates", "page_of_problem"]

ROUTERS = (
    static.router,
    sign_in.router,
    today.router,
    accounts.router,
    work.router,
    judging.router,
    account.router,
    company.router,
    company_parts.router,
    renewals.router,
    team.router,
    proof.router,
    *settings.ROUTERS,
    api_docs.router,
)
