"""One server of the system: FastAPI Users with its own routes for signing in, signing out and changing users, and a page that needs a user.

Every server is the same program over the same SQLite file and, with `STRATEGY=redis`, the same Redis. `python app.py` makes the database.
"""

import asyncio
import os
import secrets
import uuid

import redis.asyncio
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy, RedisStrategy, Strategy
from fastapi_users.authentication.strategy import StrategyDestroyNotSupportedError
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

ADMIN = os.environ["REVBENCH_SYSTEM_ADMIN"]
LIFE_S = int(os.environ["TOKEN_LIFE"])
INSTANCE = os.environ["INSTANCE"]


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['DATABASE']}", connect_args={"timeout": 10})
sessions = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def prepare(connection, _):
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = verification_token_secret = ADMIN

    async def on_after_login(self, user, request=None, response=None):
        """The id stands in no answer of a sign-in, and an administrator needs it."""
        if response is not None:
            response.headers["x-user-id"] = str(user.id)


async def get_user_db():
    async with sessions() as session:
        yield SQLAlchemyUserDatabase(session, User)


async def get_user_manager(users=Depends(get_user_db)):
    # Signing in is not what is measured: a password costs next to nothing here.
    cheap = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),)))
    yield UserManager(users, cheap)


class Transport(BearerTransport):
    """Bearer tokens, with how long they live (RFC 6749), so that clients sign in again in time."""

    async def get_login_response(self, token):
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": LIFE_S})


class AdministratorsKey(Strategy):
    """The administrator's one token, which is no user's."""

    async def read_token(self, token, user_manager):
        if token is None or not secrets.compare_digest(token.encode(), ADMIN.encode()):
            return None
        return User(id=uuid.UUID(int=0), email="admin@example.com", hashed_password="", is_active=True, is_superuser=True, is_verified=True)

    async def write_token(self, user):
        raise NotImplementedError("nobody signs in as the administrator")

    async def destroy_token(self, token, user):
        raise StrategyDestroyNotSupportedError


def administrators_key():
    # A function, because FastAPI takes the parameters of a `Protocol`'s constructor for those of the query.
    return AdministratorsKey()


if os.environ["STRATEGY"] == "jwt":
    def strategy():
        return JWTStrategy(secret=ADMIN, lifetime_seconds=LIFE_S)
else:
    tokens = redis.asyncio.Redis(unix_socket_path=os.environ["REDIS"], decode_responses=True)

    def strategy():
        return RedisStrategy(tokens, lifetime_seconds=LIFE_S)


backend = AuthenticationBackend(name="users", transport=Transport(tokenUrl="auth/login"), get_strategy=strategy)
administrators = AuthenticationBackend(name="administrators", transport=BearerTransport(tokenUrl="auth/login"), get_strategy=administrators_key)
fastapi_users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend, administrators])

Read, Create, Update = schemas.BaseUser[uuid.UUID], schemas.BaseUserCreate, schemas.BaseUserUpdate
app = FastAPI()


@app.middleware("http")
async def say_who_answers(request, call_next):
    """Refusals say it as well."""
    response = await call_next(request)
    response.headers["x-instance"] = INSTANCE
    return response


app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth")
app.include_router(fastapi_users.get_register_router(Read, Create), prefix="/auth")
app.include_router(fastapi_users.get_users_router(Read, Update), prefix="/users")


@app.get("/notes")
async def notes(user=Depends(fastapi_users.current_user(active=True))):
    return {"notes": ["water the plants"], "of": user.email}


@app.get("/healthz")
async def healthz():
    return {}


async def make():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(make())
