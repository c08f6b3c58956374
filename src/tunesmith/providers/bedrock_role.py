"""The role that Bedrock takes to read and write the bucket, and the bucket, looked at before anything is uploaded.

Owns these looks and the words with which a role is mended. What these credentials may not look at is left to the
service, and said.
"""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RemoteError
from tunesmith.providers.aws import Aws, AwsError

if TYPE_CHECKING:
    from tunesmith.core.errors import TunesmithError

PRINCIPAL = "bedrock.amazonaws.com"
NOT_ASSUMED = "Could not assume provided IAM role"
"""What the service says of a role that it cannot take."""


def look_at_role(aws: Aws, role_arn: str) -> str | None:
    """Refuse a role that Bedrock cannot take; return a note if these credentials may not look at it.

    Raises:
        RemoteError: if there is none, or its trust policy does not let Bedrock take it.
    """
    iam = aws.client("iam")
    try:
        role = iam.call("get_role", RoleName=role_arn.rsplit("/", 1)[1])["Role"]
    except AwsError as error:
        if error.code in ("NoSuchEntity", "NoSuchEntityException"):
            raise RemoteError(
                f"provider.role_arn: there is no role {role_arn}", expected="a role that Bedrock may take",
                hint=_trust_told(aws, role_arn),
            ) from error  # fmt: skip
        if error.code.startswith("AccessDenied"):
            return "these credentials may not do iam:GetRole, so the role was not looked at before"
        raise
    finally:
        iam.close()
    if not trusts_bedrock(role.get("AssumeRolePolicyDocument", {})):
        raise not_assumed(aws, role_arn, f"its trust policy does not name {PRINCIPAL}")
    return None


def trusts_bedrock(document: Any) -> bool:
    """Return whether a trust policy lets Bedrock take the role; conditions are left to the service."""
    if isinstance(document, str):
        document = json.loads(document)
    statements = document.get("Statement", [])
    for one in statements if isinstance(statements, list) else [statements]:
        principal = one.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        named = [services] if isinstance(services, str) else services
        if one.get("Effect") == "Allow" and PRINCIPAL in named and _lets_assume(one.get("Action")):
            return True
    return False


def _lets_assume(action: object) -> bool:
    named = [action] if isinstance(action, str) else action if isinstance(action, list) else []
    return any(fnmatch("sts:assumerole", str(one).lower()) for one in named)


def not_assumed(aws: Aws, role_arn: str, why: str) -> TunesmithError:
    """Return what is told of a role that Bedrock cannot take."""
    return RemoteError(
        f"provider.role_arn: {NOT_ASSUMED}, says Bedrock of {role_arn}: {why}"
        if why.startswith("it")
        else f"provider.role_arn: Bedrock cannot take {role_arn}: {why}",
        expected="a trust policy that lets it, and s3:GetObject, s3:PutObject and s3:ListBucket on the bucket",
        hint=_trust_told(aws, role_arn),
    )


def _trust_told(aws: Aws, role_arn: str) -> str:
    account = role_arn.split(":")[4]
    arn = f"arn:aws:bedrock:{aws.where}:{account}:model-customization-job/*"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": arn}},
            }
        ],
    }  # fmt: skip
    name = role_arn.rsplit("/", 1)[1]
    return f"aws iam update-assume-role-policy --role-name {name} --policy-document '{json.dumps(trust)}'"


def look_at_bucket(aws: Aws, bucket: str) -> None:
    """Refuse a bucket that is not there, not ours, or in another region than the job.

    Raises:
        RemoteError: with which of these it is.
    """
    s3 = aws.client("s3")
    try:
        found = s3.call("head_bucket", Bucket=bucket)
    except AwsError as error:
        if error.code in ("404", "NoSuchBucket"):
            raise RemoteError(
                f"provider.bucket: there is no bucket {bucket}", expected=f"a bucket in {aws.where}",
                hint=f"aws s3 mb s3://{bucket} --region {aws.where}",
            ) from error  # fmt: skip
        raise
    finally:
        s3.close()
    region = found.get("BucketRegion") or found["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if region and region != aws.where:
        raise RemoteError(
            f"provider.bucket: {bucket} is in {region}, and the job would be in {aws.where}",
            expected="both in one region", hint=f"provider.region: {region}, or a bucket in {aws.where}",
        )  # fmt: skip
