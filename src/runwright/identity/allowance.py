"""Work that ends when the caller for whom it is done may have it no longer."""

from collections.abc import Awaitable

from anyio import CancelScope

from runwright.errors import Unauthorized
from runwright.identity.permissions import has_lost
from runwright.identity.standing import Judge, Standing
from runwright.model.identity import Principal


async def while_allowed(
    standing: Standing, principal: Principal, judge: Judge, work: Awaitable[None]
) -> Exception | None:
    """Do the work; None when it was done, else why the caller was refused meanwhile.

    Who may do less than before is refused as well, whatever that is: nobody here knows which of
    the rights the work was begun with. A caller who still has those that matter comes again.
    """
    refusals: list[Exception] = []
    with CancelScope() as scope:

        def refused(why: Exception) -> None:
            refusals.append(why)
            scope.cancel()

        def changed(now: Principal) -> None:
            if has_lost(principal, now):
                refused(Unauthorized("What this request was let in with has been taken back."))

        with standing.watch(principal, judge, changed=changed, refused=refused):
            await work
    return refusals[0] if refusals else None
