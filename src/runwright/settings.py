"""Every setting: name, type, unit, default, range. Read once, at start.

A value comes from a flag, else from `RUNWRIGHT_<NAME>` in the environment, else from the file
named by `RUNWRIGHT_<NAME>_FILE` (secrets), else from `runwright.toml`, else the default.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args, get_origin

from runwright.values import dataclass

PREFIX: Final = "RUNWRIGHT_"
CLIENT_VARIABLES: Final = frozenset({"CONFIG", "ENDPOINT", "PROJECT", "API_KEY"})  # no settings


class BadSetting(Exception):
    """A value that the server cannot start with; the text names setting, value and range."""


def _setting(
    default: Any,
    about: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    is_secret: bool = False,
) -> Any:
    metadata = {"about": about, "unit": unit, "low": low, "high": high, "is_secret": is_secret}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8080, "port to listen on", low=0, high=65535)
    tls_port: int = _setting(0, "port for https; 0 = none", low=0, high=65535)
    tls_dir: str = _setting("", "folder of <domain>.crt and <domain>.key files; re-read on change")
    data_dir: str = _setting("data", "folder that holds everything the server keeps")
    public_url: str = _setting(
        "", "address clients use, such as https://api.example.com; empty = from host and port"
    )
    domain: tuple[str, ...] = _setting(
        ("localhost",), "host names on which the API itself answers", unit="comma list"
    )
    functions_domain: str = _setting(
        "functions.localhost", "base domain under which each function gets a name of its own"
    )
    functions_scheme: Literal["http", "https"] = _setting(
        "http", "scheme of generated function addresses"
    )
    force_https: Literal["on", "off"] = _setting(
        "off", "redirect plain http on function domains to https"
    )
    router_protection: Literal["on", "off"] = _setting(
        "off", "refuse host names that no rule knows instead of answering as the API"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "addresses or networks whose X-Forwarded-* headers are believed",
        unit="comma list",
    )
    console_signup: Literal["first", "open"] = _setting(
        "first", "who may create a console account: only the first one, or anyone"
    )
    console_signup_emails: tuple[str, ...] = _setting(
        (),
        "addresses and domains that may create a console account; empty = any",
        unit="comma list",
    )
    console_signup_ips: tuple[str, ...] = _setting(
        (),
        "addresses and networks from which a console account may be created; empty = any",
        unit="comma list",
    )
    pwned_url: str = _setting(
        "https://api.pwnedpasswords.com/range",
        "where projects that want it look for breached passwords, five characters of a digest at "
        "a time; empty = nowhere",
    )
    rate_limits: Literal["on", "off"] = _setting("on", "enforce the API's rate limits")
    functions_per_day: int = _setting(
        50, "functions that may be created in a project per day (UTC); 0 = any number", low=0
    )
    demo: Literal["on", "off"] = _setting("on", "deploy the sample functions at the first start")
    executor: Literal["bubblewrap", "process"] = _setting(
        "bubblewrap", "what runs user code; `process` has no isolation at all"
    )
    docker: Literal["on", "off"] = _setting(
        "off", "run the languages that have no runner here in containers of public images"
    )
    docker_socket: str = _setting("/var/run/docker.sock", "socket of the Docker daemon")
    docker_repository: str = _setting(
        "openruntimes", "where the images are, as in <repository>/dart:v5-3.5"
    )
    docker_containers: int = _setting(
        32, "containers alive at once, idle ones included", low=1, high=1000
    )
    docker_user: Literal["image", "own"] = _setting(
        "image", "who runs the server in a container: the image's user, or one without rights"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "least log level")
    log_format: Literal["text", "json"] = _setting("text", "how log lines look")

    source_bytes: int = _setting(30_000_000, "largest source archive", unit="bytes", low=0)
    build_bytes: int = _setting(2_000_000_000, "largest unpacked build", unit="bytes", low=1)
    build_timeout_s: int = _setting(900, "time a build may take", unit="s", low=1, high=86400)
    builds: int = _setting(2, "builds that run at once", low=1, high=64)
    function_timeout_s: int = _setting(
        900, "largest timeout a function may ask for", unit="s", low=1, high=86400
    )
    sync_timeout_s: float = _setting(
        30.0, "longest wait of a synchronous caller", unit="s", low=0.1, high=900
    )
    stream_body_bytes: int = _setting(
        10 * 1024**3,
        "largest request body that a function reads as it comes",
        unit="bytes",
        low=1024,
    )
    compute_cpus: float = _setting(0.0, "largest specification's CPUs; 0 = no cap", low=0)
    compute_memory_mib: int = _setting(
        0, "largest specification's memory; 0 = no cap", unit="MiB", low=0
    )
    concurrency: int = _setting(
        64, "executions of one function at once; more wait, then 429", low=1, high=10000
    )
    execution_queue: int = _setting(
        1000, "synchronous executions that may wait for a slot", low=0, high=100000
    )
    workers: int = _setting(
        64, "asynchronous and delayed executions that run at once", low=1, high=10000
    )
    queue_jobs: int = _setting(
        100_000, "queued and delayed executions that may wait; more get 429", low=1, high=10_000_000
    )
    loop_breaker: int = _setting(
        30,
        "runs that one event on one thing may start in a minute when nobody knows what led to "
        "it; more is taken for a loop; 0 = no limit",
        low=0,
        high=1_000_000,
    )
    webhook_hosts: tuple[str, ...] = _setting(
        ("request-catcher-webhook", "request-catcher-sms"),
        "hosts that a webhook may name besides those on public domains; the defaults are the "
        "catchers of Appwrite's own test suite",
        unit="comma list",
    )
    webhooks_allow_private: Literal["on", "off"] = _setting(
        "off",
        "let webhooks reach loopback and private addresses and bare host names; only where "
        "whoever may make webhooks may also see those networks",
    )
    event_secrets: Literal["on", "off"] = _setting(
        "on",
        "tell functions and webhooks the secrets of password recoveries and e-mail verifications, "
        "which those need that send the letters themselves",
    )
    oauth_allow_private: Literal["on", "off"] = _setting(
        "off",
        "let providers that people sign in with stand on loopback and private addresses and "
        "without https; only where owners of projects may also see those networks",
    )
    github_url: str = _setting(
        "",
        "address of a GitHub Enterprise Server that stands for GitHub when people sign in; "
        "empty = github.com",
    )
    webhook_workers: int = _setting(
        32, "deliveries to webhooks that are under way at once", low=1, high=1000
    )
    webhook_concurrency: int = _setting(
        4, "deliveries to one webhook that are under way at once", low=1, high=1000
    )
    webhook_queue: int = _setting(
        10_000,
        "deliveries to one webhook that may wait; events beyond that are not told to it",
        low=1,
        high=1_000_000,
    )
    webhook_tries: int = _setting(
        5, "how often a delivery is tried before it is given up", low=1, high=20
    )
    webhook_backoff_s: float = _setting(
        60.0,
        "wait before a failed delivery is tried again, five times as long after each further "
        "failure and at most 45 minutes; half of it is drawn at random",
        unit="s",
        low=0.05,
        high=2700,
    )
    webhook_max_failed_attempts: int = _setting(
        10, "failures in a row after which a webhook is disabled", low=1, high=100_000
    )
    smtp_url: str = _setting(
        "",
        "mail server of the installation, smtps://user:password@host:port; starttls:// encrypts "
        "after the greeting, smtp:// only if the server can; empty = the mail folder",
        is_secret=True,
    )
    mail_from: str = _setting(
        "",
        "sender of letters, `Name <address>` or an address; empty = no-reply@ the API's host name",
    )
    mail_folder: Literal["on", "off"] = _setting(
        "on", "keep letters that no mail server is set up for in the folder `mail` of data_dir"
    )
    mail_folder_letters: int = _setting(
        1000, "letters kept in the mail folder, the newest", low=1, high=100_000
    )
    mail_folder_retention_s: int = _setting(
        604_800, "age at which letters in the mail folder are deleted", unit="s", low=60
    )
    smtp_hosts: tuple[str, ...] = _setting(
        ("maildev",),
        "mail servers that a project may name though they are in a private network, and that "
        "need not answer when they are named; the default is the catcher of Appwrite's own test "
        "suite",
        unit="comma list",
    )
    smtp_allow_private: Literal["on", "off"] = _setting(
        "off",
        "let the mail servers of projects be at loopback and private addresses; only where "
        "whoever may change a project may also see those networks",
    )
    mail_workers: int = _setting(8, "letters that are sent at once", low=1, high=1000)
    mail_concurrency: int = _setting(
        4, "letters of one project that are sent at once", low=1, high=1000
    )
    mail_queue: int = _setting(
        1000, "letters of one project that may wait; more get 429", low=1, high=1_000_000
    )
    mail_tries: int = _setting(
        6, "how often a letter is tried before it is given up", low=1, high=20
    )
    mail_backoff_s: float = _setting(
        15.0,
        "wait before a letter is tried again, three times as long after each further failure and "
        "at most 30 minutes; half of it is drawn at random",
        unit="s",
        low=0.05,
        high=1800,
    )
    abuse_email: str = _setting(
        "", "address that webhook receivers may complain to; empty = abuse@ the API's host name"
    )
    execution_retention_s: int = _setting(
        1_209_600, "age at which execution records are deleted", unit="s", low=60
    )
    execution_retention_count: int = _setting(
        100_000,
        "execution records kept of one function, the newest; 0 = any number",
        low=0,
        high=100_000_000,
    )
    upload_retention_s: int = _setting(
        86_400, "age at which unfinished uploads are deleted", unit="s", low=60
    )
    pool_node: int = _setting(3, "pre-started Node sandboxes per version", low=0, high=256)
    pool_python: int = _setting(3, "pre-started Python sandboxes per version", low=0, high=256)
    pool_other: int = _setting(
        1, "pre-started sandboxes per version of every other language", low=0, high=256
    )
    pool_max: int = _setting(
        32,
        "pre-started sandboxes per version when so many cold starts or builds came within ten "
        "seconds lately and a quarter of the memory is free",
        low=0,
        high=1024,
    )
    pool_idle_s: int = _setting(
        300, "idle time after which a warm sandbox is ended", unit="s", low=1
    )
    templates: int = _setting(
        16,
        "processes that hold a Python function whose modules load slowly, to fork instances from; "
        "0 = none",
        low=0,
        high=1024,
    )
    template_idle_s: int = _setting(
        1800, "idle time after which a template is ended", unit="s", low=1
    )
    kept_instances: int = _setting(
        32, "sandboxes kept ready by `minInstances`, of all functions together", low=0, high=8192
    )
    sandboxes: int = _setting(512, "sandboxes alive at once, idle ones included", low=1, high=8192)
    tmp_mib: int = _setting(
        256,
        "most that a sandbox's private /tmp holds; at most half of the memory",
        unit="MiB",
        low=1,
    )
    build_disk_mib: int = _setting(
        8192,
        "disk space of one build: its files and its package cache",
        unit="MiB",
        low=64,
        high=1_048_576,
    )
    uid_base: int = _setting(
        1_377_828_864, "first host user id that sandboxes may take", low=65536, high=4_000_000_000
    )
    network_allow: tuple[str, ...] = _setting(
        (),
        "private networks that functions and builds may connect to all the same, such as "
        "10.1.0.0/16 or 10.1.2.3:5432; addresses of this machine and link-local ones only one by "
        "one",
        unit="comma list of network[:port[-port]]",
    )
    network_refuse: tuple[str, ...] = _setting(
        (),
        "networks that functions and builds may not connect to though they are public",
        unit="comma list of network[:port[-port]]",
    )
    network_host: Literal["on", "off"] = _setting(
        "off",
        "let functions that ask for it into the host's own network, with its loopback; only "
        "where whoever may deploy functions may also use every service of the host",
    )
    network_dns: tuple[str, ...] = _setting(
        (),
        "resolvers that functions' and builds' questions are put to; empty = the host's",
        unit="comma list of address[:port]",
    )
    dns: tuple[str, ...] = _setting(
        (),
        "resolvers that check custom domains; empty = the host's",
        unit="comma list of host[:port]",
    )
    domain_target_cname: str = _setting("", "name that custom domains point at by CNAME")
    domain_target_a: str = _setting("", "IPv4 address that custom domains point at")
    domain_target_aaaa: str = _setting("", "IPv6 address that custom domains point at")
    drain_s: float = _setting(
        8.0, "time running executions get to finish at a stop", unit="s", low=0, high=600
    )

    @classmethod
    def load(
        cls,
        *,
        flags: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> Self:
        """Settings from all sources. Raises BadSetting."""
        environ = os.environ if environ is None else environ
        from_file = _read_toml(file or Path(environ.get(PREFIX + "CONFIG", "runwright.toml")))
        unknown = set(from_file) - {item.name for item in fields(cls)}
        if unknown:
            raise BadSetting(f"runwright.toml: unknown setting {sorted(unknown)[0]!r}")
        values: dict[str, object] = {}
        for item in fields(cls):
            raw = _raw(item.name, flags or {}, environ, from_file)
            if raw is not None:
                values[item.name] = _parse(item.name, item.type, item.metadata, raw)
        return cls(**values)  # type: ignore[arg-type]  # each value was parsed by its field's type


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like settings and are none, mistyped ones for instance."""
    known = {item.name.upper() for item in fields(Settings)} | CLIENT_VARIABLES
    given = os.environ if environ is None else environ
    names = (name for name in given if name.startswith(PREFIX))
    return sorted(name for name in names if name[len(PREFIX) :].removesuffix("_FILE") not in known)


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One row of `runwright settings` and of the reference page."""

    name: str
    variable: str
    value: str
    default: str
    unit: str
    allowed: str
    about: str


def describe(settings: Settings) -> list[SettingLine]:
    lines = []
    for item in fields(Settings):
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        meta = item.metadata
        value = getattr(settings, item.name)
        lines.append(
            SettingLine(
                item.name,
                PREFIX + item.name.upper(),
                "(set)" if meta["is_secret"] and value else _text(value),
                _text(default),
                meta["unit"],
                _allowed(item.type, meta),
                meta["about"],
            )
        )
    return lines


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _allowed(kind: Any, meta: Mapping[str, Any]) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    low, high = meta["low"], meta["high"]
    if low is not None and high is not None:
        return f"{low:g} to {high:g}" if high < 1e6 else f"{low} to {high}"
    return f"at least {low}" if low is not None else ""


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise BadSetting(f"{path.name}: {exc}") from exc


def _raw(
    name: str,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    from_file: Mapping[str, object],
) -> object | None:
    variable = PREFIX + name.upper()
    if flags.get(name) is not None:
        return flags[name]
    if variable in environ:
        return environ[variable]
    if variable + "_FILE" in environ:
        try:
            return Path(environ[variable + "_FILE"]).read_text().strip()
        except OSError as exc:
            raise BadSetting(f"{variable}_FILE: {exc.strerror}") from exc
    return from_file.get(name)


def _parse(name: str, kind: Any, meta: Mapping[str, Any], raw: object) -> object:
    variable = PREFIX + name.upper()
    if get_origin(kind) is Literal:
        word = {True: "on", False: "off"}[raw] if isinstance(raw, bool) else str(raw).strip()
        if word not in get_args(kind):
            raise BadSetting(f"{variable}={word!r}: use one of {_allowed(kind, meta)}")
        return word
    if get_origin(kind) is tuple:
        parts = raw if isinstance(raw, (list, tuple)) else str(raw).split(",")
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if kind is str:
        return str(raw).strip()
    try:
        number = int(str(raw)) if kind is int else float(str(raw))
    except ValueError as exc:
        raise BadSetting(f"{variable}={raw!r}: not a number") from exc
    low, high = meta["low"], meta["high"]
    if (low is not None and number < low) or (high is not None and number > high):
        raise BadSetting(
            f"{variable}={raw}: allowed is {_allowed(kind, meta)} {meta['unit']}".rstrip()
        )
    return number
