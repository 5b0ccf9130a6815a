"""People who look at the pages: who they are, what they may do, and the forms by which they do it."""

from churnml.serving.people.forms import CheckedForm, checked_form, form_field, form_token
from churnml.serving.people.looking import (
    CurrentViewer,
    LanguageChoice,
    PageContext,
    context_of,
    language_of,
    needs,
    viewer_of,
)
from churnml.serving.people.viewer import Action, Role, Viewer

__all__ = [
    "Action",
    "CheckedForm",
    "CurrentViewer",
    "LanguageChoice",
    "PageContext",
    "Role",
    "Viewer",
    "checked_form",
    "context_of",
    "form_field",
    "form_token",
    "language_of",
    "needs",
    "viewer_of",
]
