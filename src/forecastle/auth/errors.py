"""What can go wrong with accounts and tokens.

BadInput
└── BadAccount             a username or password that the rules refuse
NotFound
└── UserNotFound
Conflict
├── UsernameTaken
└── LastAdmin              the last administrator cannot go
Forbidden
└── RegistrationClosed
Unauthenticated
├── BadCredentials         unknown user or wrong password; which of them is not told
├── TokenInvalid
└── TokenExpired
Unavailable
└── TooManySignIns         more passwords wait for their check than the machine can work off soon
"""

from forecastle.errors import BadInput, Conflict, Forbidden, NotFound, Unauthenticated, Unavailable, clip


class BadAccount(BadInput):
    """This username or password cannot be used."""

    code = "INVALID_ACCOUNT"


class UserNotFound(NotFound):
    """There is no such user."""

    code = "USER_NOT_FOUND"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no user {clip(name)!r}")


class UsernameTaken(Conflict):
    """The username is taken."""

    code = "USERNAME_TAKEN"

    def __init__(self, username: str) -> None:
        self.username = username
        super().__init__(f"the username {username!r} is taken")


class LastAdmin(Conflict):
    """The last administrator cannot be removed; make another one first."""

    code = "LAST_ADMIN"


class RegistrationClosed(Forbidden):
    """Registration is closed here; an administrator can add accounts."""

    code = "REGISTRATION_CLOSED"


class BadCredentials(Unauthenticated):
    """The username or the password is wrong."""

    code = "BAD_CREDENTIALS"


class TokenInvalid(Unauthenticated):
    """The token is not valid; sign in again."""

    code = "TOKEN_INVALID"


class TokenExpired(Unauthenticated):
    """The token has expired; sign in again."""

    code = "TOKEN_EXPIRED"


class TooManySignIns(Unavailable):
    """Too many sign-ins at once; try again."""

    code = "TOO_MANY_SIGN_INS"
