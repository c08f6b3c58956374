"""What a run buys so that its tuned model answers: once, through any kill, and never forgotten while it is paid for.

Owns what the journal keeps of it, under the step ``capacity``. Does not own the buying itself (`bedrock_capacity`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tunesmith.core.errors import RemoteError
from tunesmith.providers import bedrock_capacity
from tunesmith.providers.aws import AwsError

if TYPE_CHECKING:
    from tunesmith.providers.aws import Client
    from tunesmith.providers.hosted import Tell
    from tunesmith.providers.journal import Journal

_STEP = "capacity"


def make_ready(
    bedrock: Client, offer: bedrock_capacity.Offer, model: str, name: str, journal: Journal, tell: Tell, poll_s: float
) -> str:
    """Buy what the recipe wants kept ready, once, and wait for it; return what is told of it.

    Raises:
        RemoteError: if it is refused, or fails; what failed is deleted, and bought anew by the next process.
    """
    bought = journal.of(_STEP)
    if bought is None:
        tell.said(offer.told)
        begun = journal.unclear(_STEP) or {"name": name, "token": uuid4().hex}
        journal.begin(_STEP, **begun)
        arn = _found(bedrock, name, model) or bedrock_capacity.buy(bedrock, offer, model, name, begun["token"])
        bought = journal.done(_STEP, arn=arn)
    tell.said(f"{bought['arn']} is paid for from now on; tunesmith hosted delete {bought['arn']} ends it")
    try:
        bedrock_capacity.wait(bedrock, bought["arn"], poll_s)
    except RemoteError:
        if not _is_there(bedrock, bought["arn"]):
            journal.forget(_STEP)
        raise
    return f"{offer.told}: tunesmith hosted delete {bought['arn']}"


def still_paid_for(bedrock: Client, journal: Journal) -> str:
    """Return what is told of capacity that a run bought, or may have, and that a cancelled job does not end; empty if
    there is none.
    """
    known = journal.of(_STEP) or journal.unclear(_STEP)
    if known is None:
        return ""
    try:
        arn = known.get("arn") or _found(bedrock, known["name"])
    except AwsError:
        arn = None
    if arn is None:
        return (
            "something to answer for the tuned model may have been bought, and costs until it is deleted: "
            f"tunesmith hosted list --region {bedrock.made.meta.region_name} shows it"
        )
    if not _is_there(bedrock, arn):
        return ""
    return f"{arn} was bought for the tuned model, and costs until it is deleted: tunesmith hosted delete {arn}"


def _found(bedrock: Client, name: str, model: str | None = None) -> str | None:
    """Return the ARN of what was bought under a name; None if nothing is listed under it."""
    return next((one.arn for one in bedrock_capacity.listed(bedrock, model) if one.name == name), None)


def _is_there(bedrock: Client, arn: str) -> bool:
    try:
        bedrock_capacity.look(bedrock, arn)
    except AwsError as error:
        return error.code != "ResourceNotFoundException"
    return True
