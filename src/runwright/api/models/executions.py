"""Executions, and events that start them."""

from typing import Final

from runwright.api.models.kinds import (
    CREATED,
    ID,
    ROW,
    Model,
    flag,
    listing,
    many,
    moment,
    number,
    one,
    text,
    texts,
    whole,
)
from runwright.model.execution import ErrorClass, Status, Trigger

HEADER: Final = Model(
    name="headers",
    about="One header.",
    fields=(text("name", "Its name."), text("value", "Its value.")),
)
PHASES: Final = Model(
    name="executionPhases",
    about="Where the time of an execution went, in seconds.",
    fields=(
        number("queue", "Waiting for a place."),
        number("start", "Starting the runtime."),
        number("user", "In the function's code."),
    ),
)
EXECUTION: Final = Model(
    name="execution",
    about="One run of a function.",
    fields=(
        *ROW,
        texts("$permissions", "Who may read it."),
        text("resourceId", "The function."),
        text("resourceType", "Always `functions`.", words=("functions",)),
        text("deploymentId", "The deployment that ran."),
        text("trigger", "What started it.", words=Trigger),
        text("status", "How far it is.", words=Status),
        text("requestMethod", "Method of the request."),
        text("requestPath", "Path of the request."),
        many("requestHeaders", HEADER, "Headers of the request that are kept."),
        whole("responseStatusCode", "Status of the response; 0 while there is none."),
        text("responseBody", "Body of the response, in the answer to a synchronous call."),
        many("responseHeaders", HEADER, "Headers of the response, in the same answer."),
        text("logs", "What the function printed; for keys and admins."),
        text("errors", "What the function printed as errors; for keys and admins."),
        number("duration", "Seconds it ran."),
        moment("scheduledAt", "When it is due, if it was put off.", null=True),
        text("errorClass", "Whose fault a failure was, in a word.", words=("", *ErrorClass)),
        one("phases", PHASES, "Where the time went."),
        flag("cold", "Whether a runtime was started for it."),
        whole("attempt", "Which attempt this was."),
        text("event", "The event that started it."),
        text("chainId", "The chain of runs that it belongs to."),
        text("replayOf", "The execution that it repeats."),
    ),
)
DEAD_LETTER: Final = Model(
    name="deadLetter",
    about="A queued run that failed for good and whose request is kept.",
    fields=(
        ID,
        text("functionId", "The function."),
        moment("expiresAt", "When the request is dropped."),
        one("execution", EXECUTION, "What became of it."),
    ),
)
REDRIVEN: Final = Model(
    name="redrivenDeadLetters",
    about="What became of an order to run dead letters again.",
    fields=(
        whole("redriven", "How many run again."),
        whole("failed", "How many could not be started."),
        whole("left", "How many are left."),
    ),
)
SENT_EVENT: Final = Model(
    name="sentEvent",
    about="The receipt of an event.",
    fields=(
        ID,
        CREATED,
        text("event", "Its name."),
        flag("repeated", "Whether it had been sent before."),
    ),
)
EVENT_SOURCE: Final = Model(
    name="eventSource",
    about="A server whose signed deliveries are taken as events.",
    fields=(
        *ROW,
        text("name", "Its name."),
        text("url", "The address that it signs."),
        text("secret", "What it signs with, in the answer that makes it; empty ever after."),
    ),
)
WEBHOOK: Final = Model(
    name="webhook",
    about="An address that is told of events.",
    fields=(
        *ROW,
        text("name", "Its name."),
        text("description", "What it is for."),
        text("url", "The address."),
        texts("events", "Events that it is told of."),
        flag("tls", "Whether certificates are checked."),
        text("authUsername", "User of basic authentication."),
        text("authPassword", "Its password, in formats below 2.0.0; else empty."),
        text("secret", "What deliveries are signed with."),
        flag("enabled", "Whether it is told."),
        text("logs", "What the last failed delivery met."),
        whole("attempts", "Deliveries that failed in a row."),
    ),
)
QUEUE: Final = Model(
    name="queueState",
    about="What of a project waits, in numbers.",
    fields=(
        whole("ready", "Runs that wait for a place."),
        whole("running", "Runs that have one."),
        whole("retrying", "Runs that wait for another attempt."),
        whole("delayed", "Runs that are due later."),
        whole("deliveries", "Deliveries to webhooks that wait."),
        whole("dead", "Dead letters."),
        whole("kept", "Requests that are kept for replays."),
        whole("events", "Events that wait to be told."),
        number("oldestReady", "Seconds that the first of those ready has waited."),
    ),
)

MODELS: Final = (
    EXECUTION,
    listing("executions", EXECUTION),
    DEAD_LETTER,
    listing("deadLetters", DEAD_LETTER),
    REDRIVEN,
    SENT_EVENT,
    listing("events", SENT_EVENT),
    EVENT_SOURCE,
    listing("sources", EVENT_SOURCE),
    WEBHOOK,
    listing("webhooks", WEBHOOK),
    QUEUE,
)
