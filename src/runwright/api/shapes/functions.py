"""Functions and what belongs to them, as JSON."""

from typing import Any, Final

from runwright.clock import iso_millis, millis_or_empty
from runwright.functions.catalog import ShownFunction
from runwright.functions.runtimes import Runtime
from runwright.functions.templates import Template, TemplateRuntime, TemplateVariable
from runwright.functions.variables import PROJECT, ShownVariable
from runwright.model.function import Rule, RuleStatus, Specification
from runwright.model.retry import Retry

Json = dict[str, Any]

_PROTOCOL: Final = "v5"  # of the contract between platform and user code

_SHOWN_STATUS: Final = {
    RuleStatus.CREATED: "unverified",
    RuleStatus.UNVERIFIED: "unverified",
    RuleStatus.VERIFYING: "verifying",
    RuleStatus.VERIFIED: "verified",
}


def function(shown: ShownFunction) -> Json:
    item = shown.function
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "execute": list(item.execute),
        "name": item.name,
        "description": item.description,
        "enabled": item.is_enabled,
        "live": item.is_live,
        "logging": item.is_logging,
        "runtime": item.runtime,
        "deploymentRetention": item.deployment_retention_days,
        "deploymentId": item.deployment_id,
        "deploymentCreatedAt": millis_or_empty(item.deployment_created_at),
        "latestDeploymentId": item.latest_deployment_id,
        "latestDeploymentCreatedAt": millis_or_empty(item.latest_deployment_created_at),
        "latestDeploymentStatus": item.latest_deployment_status,
        "scopes": list(item.scopes),
        "vars": [variable(each) for each in shown.variables],
        "events": list(item.events),
        "schedule": item.schedule,
        "interval": item.interval_min or 0,
        "timezone": item.time_zone,
        "scheduleCatchUp": item.catch_up.value,
        "scheduleOverlap": item.overlap.value,
        "timeout": item.timeout_s,
        "concurrency": item.concurrency,
        "retry": retry(item.retry),
        "requestRetention": item.request_retention_s,
        "loopLimit": item.loop_limit,
        "minInstances": item.min_instances,
        "maxInstances": item.max_instances,
        "network": item.network.value,
        "entrypoint": item.entrypoint,
        "commands": item.commands,
        "version": _PROTOCOL,
        "installationId": item.installation_id,
        "providerRepositoryId": item.provider_repository_id,
        "providerBranch": item.provider_branch,
        "providerRootDirectory": item.provider_root_directory,
        "providerSilentMode": item.is_provider_silent,
        "providerBranches": list(item.provider_branches),
        "providerPaths": list(item.provider_paths),
        "buildSpecification": item.build_specification,
        "runtimeSpecification": item.runtime_specification,
        "emailEnabled": item.is_email_enabled,
    }


def retry(item: Retry) -> Json | None:
    if not item.is_on:
        return None
    return {
        "attempts": item.attempts,
        "backoff": item.backoff_s,
        "factor": item.factor,
        "maxBackoff": item.backoff_max_s,
        "classes": list(item.classes),
        "maxAge": item.max_age_s,
    }


def variable(shown: ShownVariable) -> Json:
    item = shown.variable
    is_project = item.function_id == PROJECT
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "key": item.key,
        "description": item.description,
        "value": shown.value,
        "secret": item.is_secret,
        "resourceType": "project" if is_project else "function",
        "resourceId": item.function_id,
    }


def runtime(item: Runtime) -> Json:
    return {
        "$id": item.id,
        "key": item.key,
        "name": item.name,
        "version": item.version,
        "base": item.base,
        "image": item.image,
        "logo": item.logo,
        "supports": list(item.supports),
    }


def specification(item: Specification) -> Json:
    return {
        "memory": item.memory_mib,
        "cpus": item.cpus,
        "enabled": True,
        "slug": item.slug,
    }


def rule(item: Rule) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "domain": item.domain,
        "type": item.type.value,
        "trigger": item.trigger,
        "redirectUrl": item.redirect_url,
        "redirectStatusCode": item.redirect_status_code,
        "deploymentId": item.deployment_id,
        "deploymentResourceType": item.resource_type or None,
        "deploymentResourceId": item.resource_id,
        "deploymentVcsProviderBranch": item.branch,
        "status": _SHOWN_STATUS[item.status],
        "logs": item.logs,
        "renewAt": "",  # certificates are renewed by whoever supplies them
        "protocol": "http",
    }


def template_function(item: Template) -> Json:
    return {
        "icon": item.icon,
        "id": item.id,
        "name": item.name,
        "tagline": item.tagline,
        "permissions": list(item.permissions),
        "events": list(item.events),
        "cron": item.cron,
        "timeout": item.timeout_s,
        "useCases": list(item.use_cases),
        "runtimes": [template_runtime(each) for each in item.runtimes],
        "instructions": item.instructions,
        "vcsProvider": "github",
        "providerRepositoryId": item.repository,
        "providerOwner": item.owner,
        "providerVersion": item.version,
        "variables": [template_variable(each) for each in item.variables],
        "scopes": list(item.scopes),
    }


def template_runtime(item: TemplateRuntime) -> Json:
    return {
        "name": item.runtime,
        "commands": item.commands,
        "entrypoint": item.entrypoint,
        "providerRootDirectory": item.root_directory,
    }


def template_variable(item: TemplateVariable) -> Json:
    return {
        "name": item.name,
        "description": item.description,
        "value": item.value,
        "secret": item.is_secret,
        "placeholder": item.placeholder,
        "required": item.is_required,
        "type": item.type,
    }
