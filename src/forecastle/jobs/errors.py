"""What can go wrong with jobs.

NotFound
└── JobNotFound        no job of that id
Conflict
├── JobEnded           it has ended and cannot be changed any more
└── JobNotRetriable    only what failed or was cancelled can be retried
BadInput
└── BadStatus          no such status
ForecastleError
└── BadReport          a job reported something that makes no sense
"""

from forecastle.errors import BadInput, Conflict, ForecastleError, NotFound, clip


class JobNotFound(NotFound):
    """There is no such job."""

    code = "JOB_NOT_FOUND"

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"there is no job {clip(job_id)!r}")


class JobEnded(Conflict):
    """The job has ended."""

    code = "JOB_ENDED"

    def __init__(self, job_id: str, status: str) -> None:
        self.job_id, self.status = job_id, status
        super().__init__(f"job {job_id} is {status} already")


class JobNotRetriable(Conflict):
    """Only a job that failed or was cancelled can be retried."""

    code = "JOB_NOT_RETRIABLE"

    def __init__(self, job_id: str, status: str) -> None:
        self.job_id, self.status = job_id, status
        super().__init__(f"job {job_id} is {status}: only one that failed or was cancelled can be retried")


class BadStatus(BadInput):
    """There is no such status."""

    code = "INVALID_STATUS"


class BadReport(ForecastleError):
    """A job reported something that makes no sense."""
