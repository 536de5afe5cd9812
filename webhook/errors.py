"""Every error that the webhook package raises on purpose. Their texts never hold a key or a token."""


class CronitorK8sError(Exception):
    """The root of the package's errors."""


class SettingsError(CronitorK8sError):
    """A setting cannot be used; the message names it, its value and what is allowed."""


class CronitorError(CronitorK8sError):
    """Cronitor's API did not do what it was asked. `status` is the HTTP status, None where none came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TooManyRequests(CronitorError):  # noqa: N818 - named as HTTP names 429
    """429. `retry_after` is how many seconds to wait, 0.0 where Cronitor does not say."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message, 429)
        self.retry_after = retry_after


class MonitorsRejected(CronitorError):  # noqa: N818 - what happened to them, as `KeyRefused`
    """400, 413 or 422: Cronitor does not take these monitors as they are. `words` are its own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"monitors API answered {status}: {words}", status)
        self.words = words


class KeyRefused(CronitorError):  # noqa: N818
    """401 or 403: the API key is not known, or it has no right to monitors, as a telemetry key has none."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"monitors API answered {status}: {words}", status)
        self.words = words

    @property
    def telemetry_only(self) -> bool:
        return self.status == 403


class KubeError(CronitorK8sError):
    """The API server did not do what it was asked.

    `status` is the HTTP status (None: no answer came), `reason` the Status object's reason or the kind of failure.
    """

    def __init__(self, message: str, *, status: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFound(KubeError):  # noqa: N818 - named as Kubernetes names its reasons
    """404."""


class Conflict(KubeError):  # noqa: N818
    """409: the object has changed since it was read."""


class AlreadyExists(KubeError):  # noqa: N818
    """409 at creation."""


class Forbidden(KubeError):  # noqa: N818
    """403: a right is missing, or the namespace is being deleted."""


class Unauthorized(KubeError):  # noqa: N818
    """401."""


class Gone(KubeError):  # noqa: N818
    """410: a resource version or a list's continuation has grown too old."""
