"""What LeadHub's door is measured against, each in a process of its own.

noop      FastAPI that validates the same body and stores nothing
tutorial  FastAPI as most write it: a session a request, one INSERT, one commit
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel, EmailStr
from sqlalchemy import JSON
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Activity(BaseModel):
    """What somebody did."""

    type: str


class Lead(BaseModel):
    """The body that is posted."""

    email: EmailStr
    phone: str
    first_name: str
    last_name: str
    company: str
    job_title: str
    country: str
    message: str
    activities: list[Activity]
    attribution: dict[str, str]
    consents: list[dict[str, Any]]


def noop() -> FastAPI:
    """Validate, answer."""
    app = FastAPI()

    @app.post("/lead", status_code=202)
    async def accept(lead: Lead) -> dict[str, str]:
        return {"status": "accepted", "email": lead.email}

    return app


class Base(DeclarativeBase):
    """The tutorial's tables."""


class Row(Base):
    """The tutorial's table."""

    __tablename__ = "tutorial_lead"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(index=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


def tutorial() -> FastAPI:
    """Validate, insert, commit, answer."""
    engine = create_async_engine(os.environ["LEADHUB_DATABASE_URL"])
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield

    app = FastAPI(lifespan=lifespan)

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    @app.post("/lead", status_code=202)
    async def accept(lead: Lead, db: Annotated[AsyncSession, Depends(session)]) -> dict[str, int]:
        row = Row(email=lead.email, document=lead.model_dump())
        db.add(row)
        await db.commit()
        return {"id": row.id}

    return app


if __name__ == "__main__":
    uvicorn.run(
        {"noop": noop, "tutorial": tutorial}[sys.argv[1]](),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
