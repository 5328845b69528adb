"""GET /api/v1/fans with FastAPI, SQLAlchemy 2 (async) and asyncpg: the same list over the same view, answering the same JSON.

    DATABASE_URL=postgresql://… uvicorn --app-dir bench/peers/api fans:app --workers 2 --no-access-log --log-level warning
"""

import base64
import json
import os
from datetime import datetime

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, field_serializer
from sqlalchemy import BigInteger, Integer, String, and_, or_, select, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=8,
    isolation_level="REPEATABLE READ",
)
session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Fan(Base):
    __tablename__ = "fans"
    __table_args__ = {"schema": "views"}
    creator_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    creator: Mapped[str | None] = mapped_column(String)
    fan_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    platform: Mapped[str | None] = mapped_column(String)
    username: Mapped[str | None] = mapped_column(String)
    nickname: Mapped[str | None] = mapped_column(String)
    messages_received: Mapped[int] = mapped_column(BigInteger)
    messages_replied: Mapped[int] = mapped_column(BigInteger)
    ppvs_received: Mapped[int] = mapped_column(BigInteger)
    ppvs_unlocked: Mapped[int] = mapped_column(BigInteger)
    unlock_rate: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    ppv_spend_cents: Mapped[int] = mapped_column(BigInteger)
    sales_net_cents: Mapped[int] = mapped_column(BigInteger)
    tips_net_cents: Mapped[int] = mapped_column(BigInteger)
    spend_cents: Mapped[int] = mapped_column(BigInteger)
    spend_class: Mapped[str] = mapped_column(String)
    purchase_days: Mapped[int] = mapped_column(BigInteger)
    first_seen: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_seen: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_purchase: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    r_days: Mapped[int | None] = mapped_column(Integer)
    r: Mapped[int | None] = mapped_column(BigInteger)
    f: Mapped[int | None] = mapped_column(BigInteger)
    m: Mapped[int | None] = mapped_column(BigInteger)
    segment: Mapped[str | None] = mapped_column(String)
    cluster: Mapped[str | None] = mapped_column(String)


class FanOut(BaseModel):
    model_config = {"from_attributes": True}
    creator_id: int
    creator: str | None
    fan_id: int
    platform: str | None
    username: str | None
    nickname: str | None
    messages_received: int
    messages_replied: int
    ppvs_received: int
    ppvs_unlocked: int
    unlock_rate: float | None
    ppv_spend_cents: int
    sales_net_cents: int
    tips_net_cents: int
    spend_cents: int
    spend_class: str
    purchase_days: int
    first_seen: datetime
    last_seen: datetime
    last_purchase: datetime | None
    r_days: int | None
    r: int | None
    f: int | None
    m: int | None
    segment: str | None
    cluster: str | None

    @field_serializer("creator_id", "fan_id")
    def as_text(self, value: int) -> str:
        return str(value)


class Page(BaseModel):
    epoch: int
    items: list[FanOut]
    next_cursor: str | None


app = FastAPI()


@app.get("/api/v1/fans", response_model=Page)
async def fans(
    request: Request,
    response: Response,
    limit: int = Query(100, ge=1, le=1000),
    creator: str | None = None,
    spend_class: str | None = None,
    cursor: str | None = None,
):
    async with session() as reading:
        epoch = (await reading.execute(text("select epoch from views.progress"))).scalar_one()
        tag = f'"{epoch}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        query = select(Fan).order_by(Fan.spend_cents.desc(), Fan.creator_id, Fan.fan_id).limit(limit + 1)
        if creator:
            query = query.where(Fan.creator == creator)
        if spend_class:
            query = query.where(Fan.spend_class.in_(spend_class.split(",")))
        if cursor:
            spend, creator_id, fan_id = json.loads(base64.urlsafe_b64decode(cursor))
            query = query.where(
                or_(
                    Fan.spend_cents < spend,
                    and_(Fan.spend_cents == spend, Fan.creator_id > creator_id),
                    and_(Fan.spend_cents == spend, Fan.creator_id == creator_id, Fan.fan_id > fan_id),
                )
            )
        rows = list((await reading.execute(query)).scalars())
    more, rows = len(rows) > limit, rows[:limit]
    last = rows[-1] if more else None
    next_cursor = last and base64.urlsafe_b64encode(json.dumps([last.spend_cents, last.creator_id, last.fan_id]).encode()).decode()
    response.headers["etag"] = tag
    return Page(epoch=epoch, items=[FanOut.model_validate(row) for row in rows], next_cursor=next_cursor)
