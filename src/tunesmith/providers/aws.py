"""AWS's client: where it asks, how long it tries, and what its failures mean for people.

Owns these. Credentials are AWS's own affair (environment, ``~/.aws``, roles) and are never read here. Nothing is
loaded before a recipe names Bedrock.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError, RecipeError, RemoteError, SetupError, TunesmithError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 300
_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded")
_DENIED = ("AccessDeniedException", "AccessDenied", "403")
_STRANGER = (
    "UnrecognizedClientException", "ExpiredTokenException", "ExpiredToken", "InvalidClientTokenId",
    "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidAccessKeyId",
)  # fmt: skip
_FAILING = ("InternalServerException", "ServiceUnavailableException", "InternalError", "ModelTimeoutException")


@dataclass(frozen=True)
class Aws:
    """An account's services in one region, as a recipe sets them.

    Args:
        region: as ``us-east-1``; None: AWS_REGION, AWS_DEFAULT_REGION, or ``~/.aws/config``.
        timeout_s: for an answer.
        retries: more tries after a throttled or failed call.
        setting: the recipe's section, for errors: ``provider`` or ``evaluate.judge``; or the option ``--region``.
        url: of Bedrock and of its runtime, if not AWS's own.
        connections: at a time.

    Raises:
        MissingExtraError: (when a client is made) without boto3.
    """

    region: str | None
    timeout_s: float = 120.0
    retries: int = 6
    setting: str = "provider"
    url: str | None = None
    connections: int = 10

    @property
    def where(self) -> str:
        """The region in force.

        Raises:
            RecipeError: if nothing says one.
        """
        found = self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        found = found or _boto3().Session().region_name
        if not found:
            option = self.setting.startswith("--")
            raise RecipeError(
                f"{self.region_setting} is not set, and neither is AWS_REGION", expected="a region, as us-east-1",
                hint=f"{self.setting} us-east-1" if option else f"{self.setting}: {{region: us-east-1}}",
            )  # fmt: skip
        return str(found)

    @property
    def region_setting(self) -> str:
        """Where the user says the region: a key of the recipe, or an option."""
        return self.setting if self.setting.startswith("--") else f"{self.setting}.region"

    def client(self, name: str) -> Client:
        """Return a client of ``bedrock``, ``bedrock-runtime``, ``s3`` or ``iam``; sends nothing."""
        boto3 = _boto3()
        from botocore.config import Config

        config = Config(
            connect_timeout=min(self.timeout_s, 10.0), read_timeout=self.timeout_s,
            retries={"total_max_attempts": self.retries + 1, "mode": "standard"},
            max_pool_connections=self.connections,
        )  # fmt: skip
        url = self.url if name.startswith("bedrock") else None
        return Client(boto3.Session().client(name, region_name=self.where, config=config, endpoint_url=url), self, name)


def _boto3() -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise MissingExtraError("bedrock", error.name or "boto3") from error
    return boto3


@dataclass(frozen=True)
class Client:
    """One service of AWS; its failures come as errors of ours."""

    made: Any
    aws: Aws
    name: str

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return what an operation answers, by the name it has in Python, as ``list_foundation_models``.

        Raises:
            AwsError: if the service refuses, fails or cannot be reached.
            SetupError: without credentials.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self.made, operation)(**parameters)
        except ClientError as error:
            raise self._refused(operation, error.response) from error
        except BotoCoreError as error:
            raise self._unreached(error) from error
        return answer

    def content(self, operation: str, **parameters: Any) -> bytes:
        """Return the whole body of what an operation answers.

        Raises:
            AwsError: as `call`, and if the body ends before its end.
        """
        from botocore.exceptions import BotoCoreError

        try:
            return bytes(self.call(operation, **parameters)["Body"].read())
        except BotoCoreError as error:
            raise self._unreached(error) from error

    def listed(self, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield what a list operation tells under a key, of all pages."""
        more: dict[str, Any] = {}
        while True:
            answer = self.call(operation, **parameters, **more)
            yield from answer.get(key, [])
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}

    def close(self) -> None:
        """Close the connections."""
        self.made.close()

    @property
    def _place(self) -> str:
        return f"{self.name} in {self.made.meta.region_name}"

    @property
    def _tried(self) -> str:
        tries = self.aws.retries + 1
        return f"{tries} {'try' if tries == 1 else 'tries'}"

    def _refused(self, operation: str, answer: dict[str, Any]) -> TunesmithError:
        code, said = str(answer["Error"].get("Code", "")), _short(str(answer["Error"].get("Message", "")))
        action = f"{self.name.split('-')[0]}:{self.made.meta.method_to_api_mapping[operation]}"
        setting = self.aws.setting
        if code in _DENIED:
            return AwsError(
                f"AWS does not let these credentials do {action} in {self.made.meta.region_name}: {said}", code=code,
                expected=f"a policy that allows {action}, and no service control policy that denies it",
                hint="aws sts get-caller-identity shows who asks",
            )  # fmt: skip
        if code in _STRANGER:
            return AwsError(f"AWS does not take these credentials ({code}): {said}", code=code, hint="aws configure")
        if code in _THROTTLED:
            return AwsError(
                f"{self._place} takes no more requests for now ({code}), in {self._tried}: {said}", code=code,
                passing=True, hint="the same command later; it goes on where it is",
            )  # fmt: skip
        if code in _FAILING or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            return AwsError(
                f"{self._place} fails ({code}), in {self._tried}: {said}", code=code, passing=True,
                hint="the same command later; it goes on where it is",
            )  # fmt: skip
        return AwsError(f"{self._place} refuses {action} ({code}): {said}", code=code, hint=f"see {setting}")

    def _unreached(self, error: Exception) -> TunesmithError:
        kind = type(error).__name__
        if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
            return SetupError(
                "AWS has no credentials here", expected="those of an account with Bedrock",
                hint="aws configure, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a recipe never holds them",
            )  # fmt: skip
        if kind == "ParamValidationError":
            raise error  # ours
        return AwsError(
            f"{self._place} cannot be reached, or ends connections before it answers ({_short(str(error))}), in "
            f"{self._tried}",
            code=kind, passing=True, expected="a region where Bedrock is", hint=f"see {self.aws.region_setting}",
        )  # fmt: skip


class AwsError(RemoteError):
    """AWS refused or is unreachable.

    Args:
        code: AWS's own word, as ``ThrottlingException``.
        passing: whether the same call may well succeed later.
    """

    def __init__(self, message: str, *, code: str, passing: bool = False, expected: str = "", hint: str = "") -> None:
        super().__init__(message, expected=expected, hint=hint)
        self.code, self.passing = code, passing
        self.status_code = 429 if code in _THROTTLED else 400 if code == "ValidationException" else 500


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def region_in(arn: str) -> str | None:
    """Return the region that an ARN names; None if it is no ARN, or names none."""
    parts = arn.split(":")
    return (parts[3] or None) if arn.startswith("arn:") and len(parts) > 5 else None
