"""What can go wrong between a file and a model.

BadInput
└── ModelRefused       the file, what is said of it or its sample cannot be used; names what and where
TooLarge
└── FileTooLarge       the file has more bytes than a model may
Unavailable
└── CheckUnavailable   files cannot be checked now
"""

from forecastle.errors import BadInput, FieldProblem, TooLarge, Unavailable, clip


class ModelRefused(BadInput):
    """The file is no model that can be served."""

    code = "MODEL_REFUSED"

    @classmethod
    def quoting(cls, field: str, *, expected: str, said: str) -> "ModelRefused":
        """The error for what a library says, which takes more words than a value does."""
        return cls(problems=[FieldProblem(field, expected, clip(said, 200))])


class FileTooLarge(TooLarge):
    """The file is larger than a model may be."""

    code = "MODEL_TOO_LARGE"


class CheckUnavailable(Unavailable):
    """Files cannot be checked now."""

    code = "CHECK_UNAVAILABLE"
