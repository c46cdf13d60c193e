"""Scenario values that name something registered: ``psl`` or ``{name: epsl, phi: 0.5}``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from ..registry import Kind, Parameters, UnknownNameError, lookup, specs
from ..section import Section
from .compression import Compression

__all__ = [
    "FadingParameters",
    "MethodOrValue",
    "PathLossParameters",
    "Registered",
    "RegisteredName",
    "SchemeParameters",
]


class SchemeParameters(Parameters):
    """What every training scheme takes: a label, unique in its scenario, and its own compression."""

    label: Annotated[str, Field(min_length=1)] | None = None
    compression: Compression | None = Field(
        default=None, description="in place of the scenario's; {}: none for this scheme"
    )

    def default_label(self) -> str:
        """Return the name with the parameters that tell two runs of one scheme apart."""
        return self.name


class PathLossParameters(Section):
    """What every path loss takes: its name, under the key ``model``."""

    model: str


class FadingParameters(Section):
    """What every fading model takes: its name, under the key ``model``."""

    model: str


class Registered:
    """Annotation: the parameters of a registered thing of one kind, given as its name or as a mapping.

    Parameters
    ----------
    kind : what is named
    key : the key of the mapping that holds the name
    """

    def __init__(self, kind: Kind, key: str = "name") -> None:
        self.kind: Kind = kind
        self.key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by the parameters that the name was registered with."""
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )

    def _validate(self, value: Any, info: ValidationInfo) -> Section:
        if isinstance(value, Section):
            return value
        if isinstance(value, str):
            value = {self.key: value}
        if not isinstance(value, Mapping) or not isinstance(value.get(self.key), str):
            known = ", ".join(spec.name for spec in specs(self.kind))
            raise ValueError(f"must be a name, or a mapping with the key {self.key}; known: {known}")
        try:
            parameters = lookup(self.kind, value[self.key]).parameters
        except UnknownNameError as error:
            raise _at(self.key, str(error), value[self.key]) from None
        return parameters.model_validate(value, context=info.context)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return ``anyOf`` the bare names and each registered mapping."""
        forms: list[JsonSchemaValue] = [{"enum": [spec.name for spec in specs(self.kind)]}]
        for spec in specs(self.kind):
            form = copy.deepcopy(
                handler.resolve_ref_schema(handler(spec.parameters.__pydantic_core_schema__))
            )
            form["properties"][self.key] = {"const": spec.name, "description": spec.summary}
            forms.append(form)
        return {"anyOf": forms}


class MethodOrValue:
    """Annotation: the name of a registered method, or an explicit value of the given type."""

    def __init__(self, kind: Kind, explicit: Any) -> None:
        self.kind: Kind = kind
        self.explicit = explicit

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate text as a method's name and anything else as the explicit value."""
        explicit = handler.generate_schema(self.explicit)
        return core_schema.no_info_wrap_validator_function(
            self._validate, explicit, serialization=core_schema.plain_serializer_function_ser_schema(_plain)
        )

    def _validate(self, value: Any, explicit: Any) -> Any:
        if isinstance(value, str):
            return lookup(self.kind, value).name
        try:
            return explicit(value)
        except ValidationError as error:
            if any(fault["loc"] or fault["type"] not in _WRONG_TYPES for fault in error.errors()):
                raise
            known = ", ".join(spec.name for spec in specs(self.kind))
            raise ValueError(
                f"must be a method ({known}) or {_WRONG_TYPES[error.errors()[0]['type']]}"
            ) from None

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return ``anyOf`` the method names and the explicit form."""
        explicit = handler(schema)
        return {"anyOf": [{"enum": [spec.name for spec in specs(self.kind)]}, explicit]}


class RegisteredName:
    """Annotation: the name of something registered of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate text as a registered name."""
        return core_schema.no_info_after_validator_function(
            lambda name: lookup(self.kind, name).name, handler(str)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the enumeration of the names."""
        return {"enum": [spec.name for spec in specs(self.kind)]}


_WRONG_TYPES = {"tuple_type": "a list of lists", "model_type": "a mapping"}
"""What an explicit value that is something else altogether should have been."""


def _at(key: str, message: str, value: object) -> ValidationError:
    """Return a fault of one key of the mapping in hand, so that its line is found."""
    kind = PydanticCustomError("unknown_name", "{message}", {"message": message})
    fault = InitErrorDetails(type=kind, loc=(key,), input=value)
    return ValidationError.from_exception_data("name", [fault])


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else value
