"""The base of every mapping in a scenario: unknown keys are refused with the allowed ones named."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .suggestions import closest

__all__ = ["Section"]


class Section(BaseModel):
    """A mapping of a scenario: unknown keys are refused, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_allowed_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Say which keys are allowed where one is unknown; only the model itself knows them."""
        try:
            return handler(data)
        except ValidationError as error:
            faults = [
                InitErrorDetails(
                    type=PydanticCustomError(fault["type"], "{message}", {"message": cls._message(fault)}),
                    loc=fault["loc"],
                    input=fault["input"],
                )
                for fault in error.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, faults) from None

    @classmethod
    def _message(cls, fault: Any) -> str:
        if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
            allowed = list(cls.model_fields)
            return f"unknown key; allowed: {', '.join(allowed)}{closest(str(fault['loc'][0]), allowed)}"
        return str(fault["msg"])
