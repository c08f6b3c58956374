"""A language model that answers questions for us: where it is, how it is asked, what it costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from tunesmith.recipe.section import Section


class Price(Section):
    """What the service takes, in USD for a million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class Service(Section):
    """A service of one of four protocols."""

    _setting: str = PrivateAttr("")

    api: Literal["openai", "anthropic", "bedrock", "local"] = Field(
        "openai",
        description="openai: OpenAI, or any server that speaks its protocol; bedrock: Amazon Bedrock, with AWS's own "
        "credentials; local: a model on this machine",
    )
    model: Annotated[str, Field(min_length=1)] = Field(
        description="the service's name of it; of local a Model's id, a base's name or a folder"
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="where the service is, if not at its vendor's, as http://host:8000/v1"
    )
    key_env: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the key, which a recipe never holds; None: OPENAI_API_KEY or "
        "ANTHROPIC_API_KEY, and no key for a base_url that speaks OpenAI's protocol",
    )  # fmt: skip
    region: str | None = Field(
        None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description="of bedrock, as us-east-1; None: that of an ARN, or AWS's own",
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="None: the service's own, which some models insist on"
    )
    max_tokens: Annotated[int, Field(ge=16, le=100_000)] = Field(1024, description="of an answer")
    concurrency: Annotated[int, Field(ge=1, le=64)] = Field(8, description="questions under way at a time")
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(120.0, description="for an answer")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        6, description="more tries after 429, 5xx or a broken connection; retry-after is kept to"
    )
    price: Price | None = Field(None, description="to tell the cost in money")

    @model_validator(mode="after")
    def _can_be_asked(self) -> Service:
        if self.base_url is not None and "@" in self.base_url.split("//", 1)[1].split("/", 1)[0]:
            raise ValueError("base_url has a name or key before @, and recipes are shown and kept; set key_env")
        if self.api == "local":
            for name in ("base_url", "key_env", "region", "price"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} means nothing to api: local; remove it")
            if self.temperature:
                raise ValueError("a local model is greedy; remove temperature")
        if self.api == "anthropic" and self.temperature is not None:
            raise ValueError("Anthropic's Messages API takes no temperature; remove it")
        if self.region is not None and self.api != "bedrock":
            raise ValueError(f"region means nothing to api: {self.api}; remove it")
        if self.api == "bedrock":
            self._fits_bedrock()
        return self

    def _fits_bedrock(self) -> None:
        if self.key_env is not None:
            raise ValueError("AWS has credentials of its own (aws configure); remove key_env")
        if self.temperature is not None and self.temperature > 1:
            raise ValueError(f"temperature: {self.temperature:g}, and Bedrock takes 0 to 1")

    def name(self, setting: str) -> None:
        """Say which setting this is, where it is one of several."""
        self._setting = setting

    @property
    def setting(self) -> str:
        """The dotted key that errors name."""
        return self._setting
