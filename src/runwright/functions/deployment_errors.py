"""What callers may hear about uploads, downloads and builds."""

from runwright.errors import NotFound, RateLimited, RunwrightError


class EntrypointMissing(NotFound):
    type = "function_entrypoint_missing"

    def __init__(self) -> None:
        RunwrightError.__init__(
            self,
            "No entrypoint is set. Send `entrypoint` with the deployment, or set it on the "
            "function: the path of the file to run, such as src/main.js.",
        )


class FileEmpty(RunwrightError):
    type, status = "storage_file_empty", 400

    def __init__(self) -> None:
        super().__init__("No file was sent. Put the source archive in the form field `code`.")


class FileTypeUnsupported(RunwrightError):
    type, status = "storage_file_type_unsupported", 400

    def __init__(self) -> None:
        super().__init__("The source must be a gzip'd tar archive, with a name ending in `.gz`.")


class InvalidContentRange(RunwrightError):
    type, status = "storage_invalid_content_range", 400

    def __init__(self, why: str) -> None:
        super().__init__(f"The Content-Range header does not fit: {why}")


class InvalidUploadId(RunwrightError):
    type, status = "storage_invalid_appwrite_id", 400

    def __init__(self) -> None:
        super().__init__(
            "The X-Appwrite-Id header must hold the deployment's id: at most 36 chars of a-z, "
            "A-Z, 0-9, period, hyphen and underscore, not starting with a special char."
        )


class SourceTooLarge(RunwrightError):
    type, status = "deployment_invalid_file_size", 400

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The source archive is larger than {most_bytes} bytes, the limit of this server. "
            "Leave out dependencies and install them with a build command."
        )


class InvalidFile(RunwrightError):
    type, status = "storage_invalid_file", 403

    def __init__(self) -> None:
        super().__init__("The uploaded file cannot be read. Send it again.")


class NotWritten(RunwrightError):
    """The disk is full or broken."""

    def __init__(self) -> None:
        super().__init__("The source could not be stored. Try again later.")


class UploadBusy(RateLimited):
    def __init__(self) -> None:
        super().__init__(
            "Another request is working on this upload. Try again in a few seconds.",
            headers=(("retry-after", "5"),),
        )


class InvalidRange(RunwrightError):
    type, status = "storage_invalid_range", 416

    def __init__(self) -> None:
        super().__init__(
            "The Range header does not fit the file. Use `bytes=FIRST-LAST` or `bytes=FIRST-`, "
            "with positions inside the file."
        )


class BuildAlreadyCompleted(RunwrightError):
    type, status = "build_already_completed", 400

    def __init__(self, deployment_id: str, state: str) -> None:
        super().__init__(
            f"The build of deployment '{deployment_id}' is over: it is {state} and cannot be "
            "cancelled."
        )
