"""Organizations. Most of what clients know of them is about bills, which are not sent here."""

from typing import Final

from runwright.api.models.kinds import Field, Model, flag, free, frees, number, text
from runwright.api.models.people import TEAM

UNSET: Final = (
    "billingStartDate",
    "billingCurrentInvoiceDate",
    "billingNextInvoiceDate",
    "billingTrialStartDate",
    "billingAggregationId",
    "billingInvoiceId",
    "paymentMethodId",
    "billingAddressId",
    "backupPaymentMethodId",
    "remarks",
    "agreementBAA",
    "programManagerName",
    "programManagerCalendar",
    "programDiscordChannelName",
    "programDiscordChannelUrl",
    "billingPlanDowngrade",
    "billingTaxId",
)


def _unset(name: str) -> Field:
    return text(name, "Always empty.")


ORGANIZATION: Final = Model(
    name="organization",
    about="A team of console accounts that owns projects.",
    fields=(
        *TEAM.fields,
        frees("budgetAlerts", "Always empty."),
        text("billingPlan", "Always the plan of servers that people run themselves."),
        text("billingPlanId", "The same."),
        free("billingPlanDetails", "The same; its numbers are 0, which is no limit."),
        text("billingEmail", "Always empty."),
        text("status", "Always active.", words=("active",)),
        flag("markedForDeletion", "Always false: what is deleted is gone."),
        text("platform", "What clients know the product as.", words=("appwrite",)),
        frees("projects", "Always empty: projects have a list of their own."),
        number("billingBudget", "Always 0."),
        number("billingTrialDays", "Always 0."),
        *(_unset(name) for name in UNSET),
    ),
)
MODELS: Final = (ORGANIZATION,)
