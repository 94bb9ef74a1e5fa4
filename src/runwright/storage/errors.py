"""Failures of the adapter as callers may see them."""

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from runwright.errors import RunwrightError, ServiceUnavailable


class StorageRefused(Exception):
    """The server must not start on this data; the text says why and what to do."""


class NotStored(ServiceUnavailable):
    def __init__(self) -> None:
        super().__init__("The change could not be stored, and nothing was changed. Try again.")


class NotRead(ServiceUnavailable):
    def __init__(self) -> None:
        super().__init__("The stored state could not be read. Try again.")


class StorageFault(RunwrightError):
    """A statement that the database can never accept: a mistake of ours."""

    def __init__(self) -> None:
        super().__init__("The stored state could not be used because of an internal fault.")


def translated(error: BaseException, *, otherwise: type[ServiceUnavailable]) -> BaseException:
    """Ours instead of the driver's; any other error as it is."""
    if isinstance(error, StopIteration):  # a future refuses to carry it
        return RuntimeError("a unit of work raised StopIteration").with_traceback(
            error.__traceback__
        )
    if not isinstance(error, SQLAlchemyError):
        return error
    is_state = isinstance(error, DBAPIError) and not isinstance(error, IntegrityError)
    ours = otherwise() if is_state else StorageFault()
    ours.__cause__ = error
    return ours
