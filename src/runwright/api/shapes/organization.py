"""An organization, as JSON. Clients expect a plan; here there is one, free and without limits."""

from typing import Any, Final

from runwright.api.models.organizations import UNSET
from runwright.api.shapes.identity import team
from runwright.model.identity import Team

Json = dict[str, Any]

PLAN: Final = "self-hosted"
_FREE: Final[Json] = {
    "name": "",
    "unit": "",
    "currency": "",
    "price": 0,
    "value": 0,
    "invoiceDesc": "",
}
_INCLUDED: Final[Json] = {
    "supported": False,
    "planIncluded": 0,
    "limit": 0,
    "type": "numeric",
    "currency": "",
    "price": 0,
    "value": 0,
    "invoiceDesc": "",
}


def organization(item: Team) -> Json:
    return {
        **team(item),
        "budgetAlerts": [],
        "billingPlan": PLAN,
        "billingPlanId": PLAN,
        "billingPlanDetails": _plan(),
        "billingEmail": "",
        "status": "active",
        "markedForDeletion": False,
        "platform": "appwrite",
        "projects": [],
        "billingBudget": 0,
        "billingTrialDays": 0,
        **dict.fromkeys(UNSET, ""),
    }


def _plan() -> Json:
    return {
        "$id": PLAN,
        "name": "Self-hosted",
        "desc": "Your own server: no prices, and no limits but its own.",
        **_same(
            0,  # no limit
            "order price trial bandwidth storage imageTransformations screenshotsGenerated "
            "webhooks wafRules environments projects platforms users teams databases "
            "databasesReads databasesWrites databasesBatchSize buckets fileSize functions sites "
            "executions executionsRetentionCount GBHours realtime realtimeMessages messages "
            "topics authPhone domains usageLogs projectInactivityDays alertLimit deploymentSize "
            "buildSize functionsIntervalMinimum databaseComputeCredit members activityLogs "
            "backupPolicies",
        ),
        **_same(
            True,
            "customSmtp emailBranding isAvailable supportsMockNumbers supportsOrganizationRoles "
            "supportsProjectSpecificRoles supportsDisposableEmailValidation "
            "supportsCanonicalEmailValidation supportsFreeEmailValidation "
            "supportsCorporateEmailValidation functionsAllowCron",
        ),
        **_same(
            False,
            "budgetCapEnabled requiresPaymentMethod requiresBillingAddress selfService "
            "premiumSupport budgeting supportsCredits supportsDedicatedDatabases backupsEnabled "
            "usagePerProject databasesAllowEncrypt",
        ),
        **_same(
            None,
            "usageLogsIntervals usageAggregateOnlyMetrics eligibleCountries limits program "
            "dedicatedDatabases",
        ),
        "usage": _same(
            _FREE,
            "bandwidth executions member realtime realtimeMessages realtimeBandwidth storage "
            "users GBHours imageTransformations credits",
        ),
        "addons": _same(_INCLUDED, "seats projects"),
        "supportedAddons": {"baa": False, "premiumGeoDB": False, "premiumGeoDBOrg": False},
        "group": "pro",
    }


def _same(value: object, names: str) -> Json:
    return dict.fromkeys(names.split(), value)
