"""The HTTP side: routes, the gateway, who may call from where."""

from collections.abc import Sequence
from pathlib import Path

from runwright.api.app import Api, ApiOptions
from runwright.api.cors import Origins, RuleProject
from runwright.api.health import Health
from runwright.api.limits import Limiter
from runwright.api.redirects import Allows, Redirects
from runwright.api.routes.certificates import certificate_routes
from runwright.api.routes.console import ConsoleFacts, console_routes
from runwright.api.routes.dead_letters import dead_letter_routes
from runwright.api.routes.deployments import deployment_routes
from runwright.api.routes.description import description_routes
from runwright.api.routes.events import event_routes
from runwright.api.routes.executions import ExecutionRoutes
from runwright.api.routes.functions import function_routes
from runwright.api.routes.graphql import graphql_routes
from runwright.api.routes.identity import identity_routes
from runwright.api.routes.locale import locale_routes
from runwright.api.routes.mail import mail_routes
from runwright.api.routes.mail_templates import mail_template_routes
from runwright.api.routes.oauth import oauth_routes
from runwright.api.routes.oauth_settings import oauth_settings_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.queue import queue_routes
from runwright.api.routes.schedules import schedule_routes
from runwright.api.routes.system import system_routes
from runwright.api.routes.variables import variable_routes
from runwright.api.routes.webhooks import webhook_routes
from runwright.api.routing import Route
from runwright.functions.domains import Domains
from runwright.functions.downloads import DownloadTokens
from runwright.functions.timers import Schedules
from runwright.gateway.asgi import App, DomainFirst
from runwright.gateway.domain import Gateway
from runwright.gateway.hosts import Hosts
from runwright.gateway.plain import WarmRoad
from runwright.gateway.protocol import Door
from runwright.gateway.router import Router
from runwright.identity.authentication import Credentials
from runwright.identity.console_guests import ConsoleGuests
from runwright.identity.factors import FactorSeal
from runwright.identity.oauth.settings import OAuthSettings
from runwright.identity.pings import Pings
from runwright.identity.services import Identity
from runwright.letters.servers import MailServers
from runwright.letters.templates import MailTemplates
from runwright.ports.poster import Poster
from runwright.proxies import Proxies
from runwright.sealing import derive
from runwright.settings import BadSetting, Settings
from runwright.triggers.ingest import Ingest
from runwright.triggers.sources import EventSources
from runwright.triggers.waiting import WaitingWork
from runwright.triggers.webhooks import Webhooks, WebhookSeal
from runwright.wiring.core import Core
from runwright.wiring.executions import ExecutionParts
from runwright.wiring.functions import Functions
from runwright.wiring.mail import Mail
from runwright.wiring.oauth import oauth_parts


def rule_projects(domains: Domains) -> RuleProject:
    """Tells whose a custom domain is."""

    async def rule_project(domain: str) -> str | None:
        rule = await domains.by_host(domain)
        return rule.project_id if rule is not None else None

    return rule_project


def clients_of(core: Core, origins: Origins) -> Allows:
    """Tells whether a URL belongs to a client of a project."""

    async def allows(project_id: str, url: str) -> bool:
        found = await core.authenticator.resolve(Credentials(project_id=project_id))
        return await origins.allows(url, project_id, found.platforms)

    return allows


def make_application(
    settings: Settings,
    data_dir: Path,
    core: Core,
    functions: Functions,
    runs: ExecutionParts,
    sockets: App,
    mail: Mail,
    provider_poster: Poster,
) -> tuple[DomainFirst, Door]:
    upload_dir = data_dir / "uploads"
    upload_dir.mkdir(exist_ok=True)

    rule_project = rule_projects(functions.domains)
    api = Api(
        routes(settings, data_dir, core, functions, runs, mail, provider_poster),
        core.authenticator,
        Limiter(core.clock, is_on=settings.rate_limits == "on"),
        ApiOptions(
            upload_dir=str(upload_dir),
            hostnames=settings.domain,
            trusted_proxies=settings.trusted_proxies,
            rule_project=rule_project,
        ),
    )
    proxies = Proxies(settings.trusted_proxies)
    router = Router(
        api_hosts=settings.domain,
        functions_domain=settings.functions_domain,
        is_protected=settings.router_protection == "on",
    )
    gateway = Gateway(
        executions=runs.executions,
        authenticator=core.authenticator,
        tokens=core.tokens,
        allows_origin=clients_of(core, Origins(settings.domain, rule_project)),
        proxies=proxies,
        forces_https=settings.force_https == "on",
        stream_bytes=settings.stream_body_bytes,
    )
    hosts = Hosts(router, functions.domains, core.signals)
    app = DomainFirst(
        api,
        gateway=gateway,
        hosts=hosts,
        domains=functions.domains,
        proxies=proxies,
        sockets=sockets,
    )
    return app, Door(
        api,
        gateway,
        hosts,
        proxies,
        WarmRoad(gateway, runs.executions, hosts, core.clock, proxies),
        api.regulars,
    )


def console_guests(settings: Settings) -> ConsoleGuests:
    """Raises BadSetting."""
    try:
        return ConsoleGuests.of(settings.console_signup_emails, settings.console_signup_ips)
    except ValueError as exc:
        raise BadSetting(f"RUNWRIGHT_CONSOLE_SIGNUP_IPS: {exc}") from exc


def routes(
    settings: Settings,
    data_dir: Path,
    core: Core,
    functions: Functions,
    runs: ExecutionParts,
    mail: Mail,
    provider_poster: Poster,
) -> Sequence[Route]:
    identity = Identity.over(
        core.storage,
        passwords=core.passwords,
        tokens=core.tokens,
        clock=core.clock,
        mailer=mail.postbox,
        factor_seal=FactorSeal(derive(core.token_key, "factors")),
        hostnames=settings.domain,
        oauth=oauth_parts(settings, core, provider_poster, mail.postbox),
        console_signup=settings.console_signup,
        console_guests=console_guests(settings),
    )
    origins = Origins(settings.domain, rule_projects(functions.domains))
    redirects = Redirects(clients_of(core, origins))
    facts = ConsoleFacts(
        functions_domain=settings.functions_domain,
        target_cname=settings.domain_target_cname,
        target_a=settings.domain_target_a,
        target_aaaa=settings.domain_target_aaaa,
        build_timeout_s=settings.build_timeout_s,
        source_bytes=settings.source_bytes,
        is_https_forced=settings.force_https == "on",
    )
    downloads = DownloadTokens(core.token_key, core.clock, build_timeout_s=settings.build_timeout_s)

    webhooks = Webhooks(
        core.storage,
        core.clock,
        WebhookSeal(core.sealer),
        allows_private=settings.webhooks_allow_private == "on",
        hosts=settings.webhook_hosts,
    )

    async def certificate(domain: str) -> bytes | None:
        return await functions.certificates.pem(domain) if functions.certificates else None

    async def is_taken(domain: str) -> bool:
        return await functions.domains.by_host(domain) is not None

    table = [
        *system_routes(
            Health(core.storage, core.signals, core.clock, str(data_dir)),
            Pings(core.storage, core.clock),
        ),
        *certificate_routes(certificate),
        *locale_routes(),
        *console_routes(facts, is_taken),
        *identity_routes(identity, redirects),
        *oauth_settings_routes(
            OAuthSettings(
                core.storage,
                core.clock,
                identity.oauth.secrets,
                allows_plain=settings.oauth_allow_private == "on",
            ),
            identity.projects,
        ),
        *oauth_routes(
            identity.oauth,
            redirects,
            settings.public_url,
        ),
        *function_routes(functions.catalog, settings.functions_per_day),
        *schedule_routes(Schedules(core.storage, core.clock)),
        *variable_routes(functions.variables),
        *deployment_routes(functions.deployments, downloads),
        *ExecutionRoutes(runs.executions, runs.cancelling, runs.tails).routes(),
        *dead_letter_routes(runs.replays),
        *event_routes(
            Ingest(
                core.storage,
                core.clock,
                derive(core.token_key, "events"),
                most_waiting=settings.queue_jobs,
            ),
            EventSources(core.storage, core.clock, core.sealer),
        ),
        *queue_routes(WaitingWork(core.storage, core.clock)),
        *proxy_routes(functions.domains),
        *webhook_routes(webhooks),
        *mail_routes(
            MailServers(
                core.storage,
                core.clock,
                sealer=core.sealer,
                ways=mail.ways,
                carrier=mail.carrier,
                mailer=mail.postbox,
            )
        ),
        *mail_template_routes(MailTemplates(core.storage, core.clock)),
    ]
    table += [*description_routes(table), *graphql_routes(table)]
    return table
