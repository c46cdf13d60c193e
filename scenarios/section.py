"""The base class of each mapping in a scenario. It refuses unknown keys and names the allowed ones."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .suggestions import closest

__all__ = ["Section"]


class Section(BaseModel):
    """A mapping of a scenario. Unknown keys are refused; values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_allowed_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Name the allowed keys in the message about an unknown key; only the class itself has their list."""
        try:
            return handler(data)
        except ValidationError as error:
            errors = [
                InitErrorDetails(
                    type=PydanticCustomError(entry["type"], "{message}", {"message": cls._message(entry)}),
                    loc=entry["loc"],
                    input=entry["input"],
                )
                for entry in error.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, errors) from None

    @classmethod
    def _message(cls, entry: Any) -> str:
        if entry["type"] == "extra_forbidden" and len(entry["loc"]) == 1:
            allowed = list(cls.model_fields)
            return f"unknown key; allowed: {', '.join(allowed)}{closest(str(entry['loc'][0]), allowed)}"
        return str(entry["msg"])
