"""The first schema.

Written out, not derived from the tables of the code: those will change, this must not.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

SEQUENCE: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT: Final = sa.DateTime(timezone=True).with_variant(sa.BigInteger, "sqlite")


def _create(
    name: str,
    *columns: "sa.Column[object]",
    unique: tuple[tuple[str, ...], ...] = (),
    index: tuple[tuple[str, ...], ...] = (),
) -> None:
    op.create_table(
        name,
        sa.Column("sequence", SEQUENCE, primary_key=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        *columns,
        *(
            sa.UniqueConstraint(*parts, name=f"uq_{name}_{'_'.join(parts)}")
            for parts in (("project_id", "id"), *unique)
        ),
    )
    for parts in index:
        op.create_index(f"ix_{name}_{'_'.join(parts)}", name, list(parts))


def upgrade() -> None:
    _create(
        "projects",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("logo", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("disabled_services", sa.Text(), nullable=False),
        sa.Column("disabled_protocols", sa.Text(), nullable=False),
        sa.Column("disabled_auth_methods", sa.Text(), nullable=False),
        sa.Column("policies", sa.Text(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("sealed_mail_password", sa.LargeBinary(), nullable=False),
        sa.Column("oauth", sa.Text(), nullable=False),
        sa.Column("ping_count", sa.BigInteger(), nullable=False),
        sa.Column("pinged_at", INSTANT),
        sa.Column("accessed_at", INSTANT),
        sa.Column("search", sa.Text(), nullable=False),
        index=(("team_id",),),
    )
    _create(
        "keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("accessed_at", INSTANT),
        sa.Column("sdks", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        unique=(("secret_hash",),),
    )
    _create(
        "platforms",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("fingerprints", sa.Text(), nullable=False),
    )
    _create(
        "users",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("hash_name", sa.Text(), nullable=False),
        sa.Column("hash_options", sa.Text(), nullable=False),
        sa.Column("registration", INSTANT),
        sa.Column("password_updated_at", INSTANT),
        sa.Column("password_history", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("is_email_verified", sa.Boolean(), nullable=False),
        sa.Column("is_phone_verified", sa.Boolean(), nullable=False),
        sa.Column("is_mfa", sa.Boolean(), nullable=False),
        sa.Column("prefs", sa.Text(), nullable=False),
        sa.Column("accessed_at", INSTANT),
        sa.Column("is_impersonator", sa.Boolean(), nullable=False),
        sa.Column("needs_reset", sa.Boolean(), nullable=False),
        sa.Column("password_pwned", sa.Boolean()),
        sa.Column("search", sa.Text(), nullable=False),
        unique=(("project_id", "email"), ("project_id", "phone")),
    )
    _create(
        "sessions",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_uid", sa.Text(), nullable=False),
        sa.Column("factors", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("mfa_updated_at", INSTANT),
        sa.Column("sealed_grant", sa.LargeBinary(), nullable=False),
        sa.Column("grant_expires_at", INSTANT),
        index=(("expires_at",), ("project_id", "user_id"), ("secret_hash",)),
    )
    _create(
        "tokens",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("tries_left", sa.BigInteger()),
        sa.Column("link", sa.Text(), nullable=False),
        index=(("expires_at",), ("project_id", "user_id")),
    )
    _create(
        "factors",
        sa.Column("sealed_totp", sa.LargeBinary(), nullable=False),
        sa.Column("is_totp_verified", sa.Boolean(), nullable=False),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("sealed_codes", sa.LargeBinary(), nullable=False),
    )
    _create(
        "mfa_challenges",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("factor", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("sealed_code", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        index=(("project_id", "user_id"),),
    )
    _create(
        "passkeys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("rp_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transports", sa.Text(), nullable=False),
        sa.Column("accessed_at", INSTANT),
        unique=(("project_id", "credential_id"),),
        index=(("project_id", "user_id"),),
    )
    _create(
        "passkey_ceremonies",
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("rp_id", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("passkey_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        index=(("project_id", "expires_at"), ("project_id", "user_id")),
    )
    _create(
        "identities",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_uid", sa.Text(), nullable=False),
        sa.Column("provider_email", sa.Text(), nullable=False),
        sa.Column("sealed_grant", sa.LargeBinary(), nullable=False),
        sa.Column("grant_expires_at", INSTANT),
        sa.Column("search", sa.Text(), nullable=False),
        unique=(("project_id", "provider", "provider_uid"),),
        index=(("project_id", "user_id"), ("project_id", "provider_email")),
    )
    _create(
        "targets",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text()),
        sa.Column("is_expired", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        unique=(("project_id", "identifier"),),
        index=(("project_id", "user_id"),),
    )
    _create(
        "teams",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("prefs", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
    )
    _create(
        "memberships",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("invited_at", INSTANT, nullable=False),
        sa.Column("joined_at", INSTANT),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        unique=(("project_id", "team_id", "user_id"),),
        index=(("project_id", "user_id"),),
    )
    _create(
        "functions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("execute", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("interval_min", sa.BigInteger()),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("concurrency", sa.BigInteger(), nullable=False),
        sa.Column("retry", sa.Text(), nullable=False),
        sa.Column("request_retention_s", sa.BigInteger(), nullable=False),
        sa.Column("loop_limit", sa.BigInteger(), nullable=False),
        sa.Column("min_instances", sa.BigInteger(), nullable=False),
        sa.Column("max_instances", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("timeout_s", sa.BigInteger(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("is_logging", sa.Boolean(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("commands", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_email_enabled", sa.Boolean(), nullable=False),
        sa.Column("deployment_retention_days", sa.BigInteger(), nullable=False),
        sa.Column("build_specification", sa.Text(), nullable=False),
        sa.Column("runtime_specification", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("deployment_created_at", INSTANT),
        sa.Column("latest_deployment_id", sa.Text(), nullable=False),
        sa.Column("latest_deployment_created_at", INSTANT),
        sa.Column("latest_deployment_status", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("provider_repository_id", sa.Text(), nullable=False),
        sa.Column("provider_branch", sa.Text(), nullable=False),
        sa.Column("provider_root_directory", sa.Text(), nullable=False),
        sa.Column("is_provider_silent", sa.Boolean(), nullable=False),
        sa.Column("provider_branches", sa.Text(), nullable=False),
        sa.Column("provider_paths", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
    )
    _create(
        "deployments",
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("commands", sa.Text(), nullable=False),
        sa.Column("source_bytes", sa.BigInteger(), nullable=False),
        sa.Column("build_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_activating", sa.Boolean(), nullable=False),
        sa.Column("claim_lost_to", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("build_logs", sa.Text(), nullable=False),
        sa.Column("build_started_at", INSTANT),
        sa.Column("build_ended_at", INSTANT),
        sa.Column("build_duration_s", sa.BigInteger(), nullable=False),
        sa.Column("build_attempts", sa.BigInteger(), nullable=False),
        sa.Column("chunks_total", sa.BigInteger(), nullable=False),
        sa.Column("chunks_uploaded", sa.BigInteger(), nullable=False),
        sa.Column("is_uploaded", sa.Boolean(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        index=(("project_id", "function_id"), ("status",)),
    )
    _create(
        "variables",
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sealed_value", sa.LargeBinary(), nullable=False),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        unique=(("project_id", "function_id", "key"),),
    )
    _create(
        "rules",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("redirect_url", sa.Text(), nullable=False),
        sa.Column("redirect_status_code", sa.BigInteger(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("logs", sa.Text(), nullable=False),
        sa.Column("is_generated", sa.Boolean(), nullable=False),
        unique=(("domain",),),
        index=(("project_id", "resource_id"),),
    )
    _create(
        "executions",
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request_method", sa.Text(), nullable=False),
        sa.Column("request_path", sa.Text(), nullable=False),
        sa.Column("request_headers", sa.Text(), nullable=False),
        sa.Column("response_status_code", sa.BigInteger(), nullable=False),
        sa.Column("logs", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("scheduled_at", INSTANT),
        sa.Column("error_class", sa.Text()),
        sa.Column("is_cold", sa.Boolean(), nullable=False),
        sa.Column("queue_s", sa.Float(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("user_s", sa.Float(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("replay_of", sa.Text(), nullable=False),
        index=(
            ("created_at",),
            ("project_id", "function_id", "created_at", "sequence"),
            ("project_id", "function_id", "sequence"),
            ("project_id", "function_id", "status"),
        ),
    )
    _create(
        "jobs",
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("ready_at", INSTANT, nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        index=(
            ("epoch",),
            ("kind", "project_id", "function_id", "ready_at"),
            ("kind", "ready_at"),
        ),
    )
    _create(
        "timers",
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("interval_min", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        index=(("due_at",),),
    )
    _create(
        "outbox",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        index=(("epoch",),),
    )
    _create(
        "webhooks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("is_tls_verified", sa.Boolean(), nullable=False),
        sa.Column("auth_username", sa.Text(), nullable=False),
        sa.Column("sealed_auth_password", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("logs", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
    )
    _create(
        "mail_templates",
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("sender_email", sa.Text(), nullable=False),
        sa.Column("reply_to_name", sa.Text(), nullable=False),
        sa.Column("reply_to_email", sa.Text(), nullable=False),
    )
    _create(
        "event_sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
    )
    _create(
        "activities",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        index=(("project_id", "user_id", "sequence"),),
    )
    _create(
        "repeat_keys",
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("result_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        index=(("expires_at",),),
    )
