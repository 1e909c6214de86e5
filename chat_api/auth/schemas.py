"""Accounts on the wire."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from chat_api.auth.models import Role, Tier, User
from chat_api.auth.sessions import ACCESS_LIFETIME, Granted
from kit.tokens.identity import is_zone

__all__ = [
    "AccountChange",
    "AddedUser",
    "Assignment",
    "Credentials",
    "Done",
    "Email",
    "Login",
    "Name",
    "NewAccount",
    "NewUser",
    "PasswordChange",
    "PasswordReset",
    "RefreshRequest",
    "SecretText",
    "TemporaryPassword",
    "UserOut",
    "UserPage",
    "check_email",
]

_LONGEST_EMAIL: Final = 254
_EMAIL: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_LONGEST_LOCAL: Final = 64


def check_email(given: str) -> str:
    """The address in lower case. Raises ValueError for what can be none (RFC 5321, without quoted parts)."""
    email = given.strip().lower()
    if (
        len(email) > _LONGEST_EMAIL
        or len(email.partition("@")[0]) > _LONGEST_LOCAL
        or not _EMAIL.fullmatch(email)
    ):
        raise ValueError("write it like name@example.com")
    return email


def _is_plain(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("use letters that can be read")
    return text


def _zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("no such time zone; write it like Europe/Berlin")
    return name


def _whole(text: Any) -> Any:
    """Half a surrogate pair has no bytes that a hash could be made of."""
    if isinstance(text, str):
        text.encode()
    return text


Email = Annotated[str, Field(max_length=320, examples=["alice@example.com"]), AfterValidator(check_email)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_is_plain)]
_Zone = Annotated[str, Field(max_length=255), AfterValidator(_zone)]
SecretText = Annotated[str, BeforeValidator(_whole), Field(min_length=1, max_length=1024)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Body):
    email: Email
    password: SecretText


class NewAccount(Credentials):
    name: Name | None = None


class NewUser(_Body):
    email: Email
    password: SecretText | None = None
    name: Name | None = None
    role: Role = "user"


class Assignment(_Body):
    """What is left out stays as it is."""

    role: Role | None = None
    tier: Tier | None = None


class PasswordReset(_Body):
    password: SecretText | None = None


class RefreshRequest(_Body):
    refresh_token: SecretText


class PasswordChange(_Body):
    current_password: SecretText
    new_password: SecretText
    revoke_api_keys: bool = Field(default=False, description="Whether one's API keys are over, too")


class AccountChange(_Body):
    """What is left out stays as it is; `null` takes it away."""

    name: Name | None = None
    timezone: _Zone | None = Field(default=None, examples=["Europe/Berlin"])


class Done(BaseModel):
    success: Literal[True] = True
    message: str


class UserOut(BaseModel):
    """A person. `user_id` is the `sub` of their tokens, and what paths name them by."""

    id: UUID
    user_id: str
    issuer: str
    email: str | None
    name: str | None
    timezone: str | None
    role: Role
    tier: Tier
    disabled: bool
    change_password: bool = Field(description="Whether the password is good for a short time only")
    created_at: datetime
    last_login_at: datetime | None

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            **user.model_dump(exclude={"user_id"}),
            user_id=user.subject,
            disabled=user.disabled_at is not None,
            change_password=user.password_expires_at is not None,
        )


class Login(BaseModel):
    """The tokens of a login (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds that the access token is good for")
    refresh_token: str = Field(description="Good once, for other tokens")
    refresh_expires_in: int = Field(description="Seconds that the refresh token is good for")
    user: UserOut

    @classmethod
    def of(cls, granted: Granted) -> Self:
        return cls(
            access_token=granted.access_token,
            expires_in=int(ACCESS_LIFETIME.total_seconds()),
            refresh_token=granted.refresh_token,
            refresh_expires_in=granted.refresh_seconds,
            user=UserOut.of(granted.user),
        )


class UserPage(BaseModel):
    users: list[UserOut]
    next_cursor: UUID | None


class TemporaryPassword(BaseModel):
    """Where a password was made: to be told to its user, who is to choose another one within a day."""

    temporary_password: str | None


class AddedUser(TemporaryPassword):
    user: UserOut
