"""People who look at the pages, their sign-in links and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = ["SessionRow", "SignInLinkRow", "UserRow"]


class UserRow(Base):
    """A person; one row per person.

    `email` is in small letters, and `subject` how the company's identity provider names them, once it has.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    owner_id: Mapped[str | None]
    language: Mapped[str | None]
    subject: Mapped[str | None] = mapped_column(String(600))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "email", unique=True), Index(None, "subject", unique=True))


class SignInLinkRow(Base):
    """A link that signs a person in once, of which only the hash is kept; one row per link."""

    __tablename__ = "sign_in_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SessionRow(Base):
    """Somebody signed in with one browser; one row per session, of whose secret only the hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]
    by: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
