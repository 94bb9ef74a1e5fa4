"""Functions, their variables, domains, deployments and builds."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from runwright.dns.resolver import DnsResolver
from runwright.functions.building import BuildLimits
from runwright.functions.builds import Builder
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.deployments import Deployments
from runwright.functions.domains import Domains
from runwright.functions.folders import Folders
from runwright.functions.hostnames import Zones
from runwright.functions.housekeeping import Housekeeper
from runwright.functions.rule_verifier import RuleVerifier
from runwright.functions.settings import FunctionLimits
from runwright.functions.uploads import Uploads
from runwright.functions.variables import Variables, VariableSeal
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.gateway.tls import Certificates
from runwright.identity.scopes import KEY_SCOPES
from runwright.ports.executor import Executor
from runwright.settings import BadSetting, Settings
from runwright.storage.blobs import StoreBlobs
from runwright.values import dataclass
from runwright.wiring.core import Core

# Where functions and builds find the API: a listener inside each sandbox leads to this server.
SANDBOX_API: Final = "http://127.0.0.1:{port}/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    zones: Zones
    catalog: FunctionCatalog
    variables: Variables
    domains: Domains
    deployments: Deployments
    builder: Builder
    housekeeper: Housekeeper
    certificates: Certificates | None


async def make_functions(
    settings: Settings,
    data_dir: Path,
    core: Core,
    executor: Executor,
    api_port: int,
    stack: AsyncExitStack,
) -> Functions:
    folders = Folders(data_dir)
    blobs = StoreBlobs.open_folder(data_dir / "blobs")
    zones = Zones(functions_domain=settings.functions_domain, api_hosts=settings.domain)
    seal = VariableSeal(core.sealer)
    variables = Variables(core.storage, seal, core.clock)
    deployments = Deployments(
        core.storage,
        blobs,
        executor,
        core.clock,
        folders=folders,
        uploads=Uploads(folders),
        source_bytes=settings.source_bytes,
    )
    limits = FunctionLimits(
        timeout_s=settings.function_timeout_s,
        scopes=KEY_SCOPES,
        cpus=settings.compute_cpus,
        memory_mib=settings.compute_memory_mib,
        allows_host_network=settings.network_host == "on",
    )
    catalog = FunctionCatalog(
        core.storage,
        core.signals,
        core.clock,
        seal=seal,
        variables=variables,
        zones=zones,
        limits=limits,
        executor=executor,
        discard=deployments.discard,
    )
    certificates = await _certificates(settings, stack)
    targets = DnsTargets(
        cname=settings.domain_target_cname,
        a=settings.domain_target_a,
        aaaa=settings.domain_target_aaaa,
    )
    has_certificate = certificates.has if certificates is not None else None
    verification = DomainVerification(zones, targets, DnsResolver(settings.dns), has_certificate)
    builder = Builder(
        core.storage,
        blobs,
        executor,
        core.signals,
        core.clock,
        functions=catalog,
        tokens=core.tokens,
        folders=folders,
        limits=BuildLimits(timeout_s=settings.build_timeout_s, output_bytes=settings.build_bytes),
        builds=settings.builds,
        endpoint=SANDBOX_API.format(port=api_port),
    )
    return Functions(
        zones=zones,
        catalog=catalog,
        variables=variables,
        domains=Domains(
            core.storage, core.signals, core.clock, zones=zones, verification=verification
        ),
        deployments=deployments,
        builder=builder,
        housekeeper=Housekeeper(
            core.storage,
            blobs,
            deployments,
            core.clock,
            folders=folders,
            upload_age_s=settings.upload_retention_s,
        ),
        certificates=certificates,
    )


async def _certificates(settings: Settings, stack: AsyncExitStack) -> Certificates | None:
    if not settings.tls_port:
        return None
    if not settings.tls_dir:
        raise BadSetting("RUNWRIGHT_TLS_PORT needs RUNWRIGHT_TLS_DIR, the folder of certificates")
    certificates = Certificates(Path(settings.tls_dir))
    await certificates.start()
    stack.push_async_callback(certificates.stop)
    return certificates


async def start_workers(core: Core, functions: Functions, stack: AsyncExitStack) -> None:
    verifier = RuleVerifier(functions.domains, core.clock)
    verifier.start()
    stack.push_async_callback(verifier.stop)
    await functions.housekeeper.start()
    stack.push_async_callback(functions.housekeeper.stop)
    await functions.builder.start()
    stack.push_async_callback(functions.builder.stop)
