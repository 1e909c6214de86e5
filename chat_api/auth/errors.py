"""What can be wrong with who somebody says to be."""

from collections.abc import Sequence

from kit.errors import Problem

__all__ = [
    "ApiKeyNotFound",
    "EmailTaken",
    "FreshTokenNeeded",
    "LastAdmin",
    "LoginBusy",
    "LoginNeeded",
    "NotAdmin",
    "NotSignedIn",
    "NotYourPath",
    "OutsideUser",
    "RegistrationClosed",
    "SessionOver",
    "StillShared",
    "TooManyApiKeys",
    "UserNotFound",
    "WeakPassword",
    "WrongCredentials",
]


class NotSignedIn(Problem):
    status = 401
    code = "not_signed_in"


class NotYourPath(Problem):
    status = 403
    code = "forbidden"


class NotAdmin(Problem):
    status = 403
    code = "admin_only"


class FreshTokenNeeded(Problem):
    status = 403
    code = "fresh_token_needed"

    def __init__(self) -> None:
        super().__init__("Sign in again, and send the new token within five minutes.")


class LoginNeeded(Problem):
    status = 403
    code = "login_needed"

    def __init__(self) -> None:
        super().__init__("An API key cannot do that; use the token of a login.")


class WrongCredentials(Problem):
    status = 401
    code = "wrong_credentials"

    def __init__(self, message: str = "The e-mail address or the password is not right.") -> None:
        super().__init__(message)


class SessionOver(Problem):
    status = 401
    code = "session_over"

    def __init__(self) -> None:
        super().__init__("This login is over; log in again.")


class RegistrationClosed(Problem):
    status = 403
    code = "registration_closed"

    def __init__(self) -> None:
        super().__init__("Accounts are made by the admin of this server.")


class EmailTaken(Problem):
    status = 409
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address.")


class ApiKeyNotFound(Problem):
    status = 404
    code = "api_key_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class TooManyApiKeys(Problem):
    status = 409
    code = "too_many_api_keys"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} API keys already; revoke one that is not needed.")


class LastAdmin(Problem):
    status = 409
    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("There is no other admin who could undo that; make one first.")


class StillShared(Problem):
    status = 409
    code = "still_shared"

    def __init__(self, shared: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            "Everybody may use what is theirs; un-share it, or let another admin make it first.",
            details={"shared": [{"kind": kind, "name": name} for kind, name in shared]},
        )


class OutsideUser(Problem):
    status = 409
    code = "outside_user"

    def __init__(self) -> None:
        super().__init__("This user logs in elsewhere, where passwords and roles are kept.")


class UserNotFound(Problem):
    status = 404
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class WeakPassword(Problem):
    status = 422
    code = "weak_password"


class LoginBusy(Problem):
    status = 503
    code = "login_busy"

    def __init__(self) -> None:
        super().__init__("Too many people log in; try again in a moment.", headers={"Retry-After": "2"})
