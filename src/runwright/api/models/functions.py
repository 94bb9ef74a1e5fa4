"""Functions, their deployments, variables, domains and schedules."""

from typing import Final

from runwright.api.models.kinds import (
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
from runwright.model.function import DeploymentStatus
from runwright.model.network import Network
from runwright.model.timer import CatchUp, Overlap

VARIABLE: Final = Model(
    name="variable",
    about="A variable of the environment in which functions run.",
    fields=(
        *ROW,
        text("key", "Its name."),
        text("description", "What it is for."),
        text("value", "Its value; empty for a secret one."),
        flag("secret", "Whether its value can be read."),
        text("resourceType", "What has it.", words=("project", "function")),
        text("resourceId", "The function that has it, or empty."),
    ),
)
RETRY: Final = Model(
    name="retry",
    about="When a run that failed is run again.",
    fields=(
        whole("attempts", "How often a run starts in all."),
        number("backoff", "Seconds before the second attempt."),
        number("factor", "How much longer each further wait is."),
        number("maxBackoff", "Most seconds between two attempts."),
        texts("classes", "Kinds of errors after which it is tried again."),
        whole("maxAge", "Seconds after which no further attempt starts."),
    ),
)
FUNCTION: Final = Model(
    name="function",
    about="A function and its settings.",
    fields=(
        *ROW,
        texts("execute", "Roles that may run it."),
        text("name", "Its name."),
        text("description", "What it is for."),
        flag("enabled", "Whether it can be run."),
        flag("live", "Whether the active deployment was built with the present settings."),
        flag("logging", "Whether its logs are kept."),
        text("runtime", "The runtime it runs in."),
        whole("deploymentRetention", "Days until unused deployments are removed; 0 for never."),
        text("deploymentId", "The active deployment."),
        moment("deploymentCreatedAt", "When that was created.", empty=True),
        text("latestDeploymentId", "The newest deployment."),
        moment("latestDeploymentCreatedAt", "When that was created.", empty=True),
        text("latestDeploymentStatus", "What became of it."),
        texts("scopes", "What the key that each run is given may do."),
        many("vars", VARIABLE, "Its variables."),
        texts("events", "Events that start it."),
        text("schedule", "Cron expression of five fields, or empty."),
        whole("interval", "Minutes between runs; 0 for none."),
        text("timezone", "Time zone in which the schedule is read; empty for UTC."),
        text("scheduleCatchUp", "What becomes of missed ticks.", words=CatchUp),
        text("scheduleOverlap", "What becomes of ticks during a run.", words=Overlap),
        whole("timeout", "Most seconds of a run."),
        whole("concurrency", "Most queued runs at once; 0 for any number."),
        one("retry", RETRY, "When failed runs are run again; null for never.", null=True),
        whole("requestRetention", "Seconds for which requests can be replayed."),
        whole("loopLimit", "How often it may start itself; 0 for any number of times."),
        whole("minInstances", "Sandboxes that are kept ready."),
        whole("maxInstances", "Most sandboxes at once; 0 for any number."),
        text("network", "What its code may connect to.", words=Network),
        text("entrypoint", "The file that is loaded."),
        text("commands", "Commands of the build."),
        text("version", "Version of the contract between platform and code."),
        text("installationId", "Installation at a version control system."),
        text("providerRepositoryId", "Repository at a version control system."),
        text("providerBranch", "Branch of that repository."),
        text("providerRootDirectory", "Folder in that repository."),
        flag("providerSilentMode", "Whether comments on changes are left out."),
        texts("providerBranches", "Branches that are built."),
        texts("providerPaths", "Paths whose changes are built."),
        text("buildSpecification", "Size of the machine that builds."),
        text("runtimeSpecification", "Size of the machine that runs."),
        flag("emailEnabled", "Whether mail starts it."),
    ),
)
_VCS: Final = "About a version control system: "
DEPLOYMENT: Final = Model(
    name="deployment",
    about="One version of a function's code.",
    fields=(
        *ROW,
        text("type", "Where it came from.", words=("manual", "cli", "vcs")),
        text("resourceId", "The function."),
        text("resourceType", "Always `functions`.", words=("functions",)),
        text("entrypoint", "The file that is loaded."),
        whole("sourceSize", "Bytes of the source."),
        whole("buildSize", "Bytes of the build."),
        whole("totalSize", "Bytes of both."),
        text("buildId", "Always empty."),
        flag("activate", "Whether it becomes active when it is built."),
        text("screenshotLight", "Always empty."),
        text("screenshotDark", "Always empty."),
        text("status", "How far it is.", words=DeploymentStatus),
        text("buildLogs", "What the build printed."),
        whole("buildDuration", "Seconds the build took."),
        text("providerRepositoryName", f"{_VCS}repository."),
        text("providerRepositoryOwner", f"{_VCS}owner of the repository."),
        text("providerRepositoryUrl", f"{_VCS}address of the repository."),
        text("providerCommitHash", f"{_VCS}commit."),
        text("providerCommitAuthorUrl", f"{_VCS}page of the author."),
        text("providerCommitAuthor", f"{_VCS}author."),
        text("providerCommitMessage", f"{_VCS}message."),
        text("providerCommitUrl", f"{_VCS}page of the commit."),
        text("providerBranch", f"{_VCS}branch."),
        text("providerBranchUrl", f"{_VCS}page of the branch."),
    ),
)
RUNTIME: Final = Model(
    name="runtime",
    about="A language in one version.",
    fields=(
        ID,
        text("key", "The language, in short."),
        text("name", "The language."),
        text("version", "The version."),
        text("base", "Image that it is built from where containers are used."),
        text("image", "Image that runs it where containers are used."),
        text("logo", "File of its logo."),
        texts("supports", "Processors that it runs on."),
    ),
)
SPECIFICATION: Final = Model(
    name="specification",
    about="A size of machine.",
    fields=(
        whole("memory", "MiB of memory."),
        number("cpus", "Processors."),
        flag("enabled", "Whether it can be chosen."),
        text("slug", "Its name in settings."),
    ),
)
RULE: Final = Model(
    name="proxyRule",
    about="A host name and what answers there.",
    fields=(
        *ROW,
        text("domain", "The host name."),
        text("type", "What answers.", words=("api", "deployment", "redirect")),
        text("trigger", "Who made it.", words=("manual", "deployment")),
        text("redirectUrl", "Where a redirect leads."),
        whole("redirectStatusCode", "Status of a redirect."),
        text("deploymentId", "The deployment that answers, if it is a certain one."),
        text(
            "deploymentResourceType",
            "What the deployment is of.",
            words=("function", "site"),
            null=True,
        ),
        text("deploymentResourceId", "The function."),
        text("deploymentVcsProviderBranch", "The branch."),
        text(
            "status",
            "Whether the name is known to lead here.",
            words=("unverified", "verifying", "verified"),
        ),
        text("logs", "What the last check found."),
        moment("renewAt", "When the certificate is renewed.", empty=True),
        text("protocol", "What is spoken there.", words=("http",)),
    ),
)
TEMPLATE_RUNTIME: Final = Model(
    name="templateRuntime",
    about="One language of a template.",
    fields=(
        text("name", "The runtime."),
        text("commands", "Commands of the build."),
        text("entrypoint", "The file that is loaded."),
        text("providerRootDirectory", "Folder of the source."),
    ),
)
TEMPLATE_VARIABLE: Final = Model(
    name="templateVariable",
    about="A variable that a template wants.",
    fields=(
        text("name", "Its name."),
        text("description", "What it is for."),
        text("value", "Its default."),
        flag("secret", "Whether its value is a secret."),
        text("placeholder", "An example."),
        flag("required", "Whether it must be set."),
        text("type", "What kind of value it has."),
    ),
)
TEMPLATE: Final = Model(
    name="templateFunction",
    about="A function to start from.",
    fields=(
        text("icon", "Its icon."),
        text("id", "Its id."),
        text("name", "Its name."),
        text("tagline", "What it does."),
        texts("permissions", "Roles that may run it."),
        texts("events", "Events that start it."),
        text("cron", "Its schedule."),
        whole("timeout", "Most seconds of a run."),
        texts("useCases", "What it is good for."),
        many("runtimes", TEMPLATE_RUNTIME, "Languages it is written in."),
        text("instructions", "What to do with it, as HTML."),
        text("vcsProvider", "Kind of the repository.", words=("github",)),
        text("providerRepositoryId", "The repository."),
        text("providerOwner", "Owner of the repository."),
        text("providerVersion", "Version of the source."),
        many("variables", TEMPLATE_VARIABLE, "Variables it wants."),
        texts("scopes", "What it has to be allowed."),
    ),
)
TICK: Final = Model(
    name="tick",
    about="One moment of a schedule.",
    fields=(
        moment("dueAt", "The moment."),
        moment("localTime", "What the clocks of the time zone show then."),
    ),
)
SCHEDULE: Final = Model(
    name="schedulePreview",
    about="When a schedule comes due.",
    fields=(
        text("schedule", "The cron expression, or empty."),
        whole("interval", "Minutes between runs, or 0."),
        text("timezone", "The time zone; empty for UTC."),
        flag("active", "Whether ticks are fired at present."),
        many("ticks", TICK, "The next ticks."),
    ),
)

MODELS: Final = (
    FUNCTION,
    listing("functions", FUNCTION),
    VARIABLE,
    listing("variables", VARIABLE),
    DEPLOYMENT,
    listing("deployments", DEPLOYMENT, trimmed=True),
    RUNTIME,
    listing("runtimes", RUNTIME),
    SPECIFICATION,
    listing("specifications", SPECIFICATION),
    RULE,
    listing("rules", RULE),
    TEMPLATE,
    listing("templates", TEMPLATE),
    SCHEDULE,
)
