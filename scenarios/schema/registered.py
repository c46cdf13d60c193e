"""Types of scenario values that name a registered plug-in: ``psl`` or ``{name: epsl, phi: 0.5}``."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, ClassVar

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

from ..errors import KeyPath
from ..registry import Kind, Parameters, UnknownNameError, lookup, specs
from ..section import Section
from ..text import Label
from .compression import Compression
from .round_policy import RoundPolicy

__all__ = [
    "FadingParameters",
    "MethodOrValue",
    "PathLossParameters",
    "Registered",
    "RegisteredName",
    "SchemeParameters",
]


class SchemeParameters(Parameters):
    """The keys that all training schemes have.

    Attributes
    ----------
    per_device : tuple of str
        The keys that may be a list with one value for each device.
    """

    per_device: ClassVar[tuple[str, ...]] = ()

    label: Label | None = Field(
        default=None,
        description="label of the scheme in tables and figures, unique in the scenario; absent: the name and"
        " the parameters that distinguish it",
    )
    compression: Compression | None = Field(
        default=None,
        description="compression of this scheme, instead of the scenario's; {}: no compression; absent: the"
        " scenario's",
    )
    round_policy: RoundPolicy | None = Field(
        default=None, description="round policy of this scheme; absent: the scenario's"
    )

    def label_details(self) -> tuple[str, ...]:
        """Return the parameters that distinguish two runs of one scheme, as its default label has them."""
        return ()

    @property
    def mini_batches_per_client(self) -> int:
        """Return the number of mini-batches that each client trains on in a round; repeated ones count."""
        return 1


class PathLossParameters(Section):
    """The key that all path loss models have: their name."""

    model: str


class FadingParameters(Section):
    """The key that all fading models have: their name."""

    model: str

    def block_s(self, carrier_hz: float) -> float:
        """Return the time for which gains are constant, [s]; infinite without fading.

        Parameters
        ----------
        carrier_hz : float
            The carrier frequency, which decides how fast the gains of moving devices change, [Hz].
        """
        return float(getattr(self, "coherence_s", math.inf))

    @property
    def block_key(self) -> KeyPath:
        """Return the key that states this time, relative to the section; empty if it follows from others."""
        return next(((key,) for key in ("coherence_s", "step_s") if getattr(self, key, None) is not None), ())


class Registered:
    """Annotation for the parameters of a registered plug-in, written as its name or as a mapping.

    Parameters
    ----------
    kind : Kind
        Kind of the plug-in.
    key : str
        The key of the mapping that holds the name.
    """

    def __init__(self, kind: Kind, key: str = "name") -> None:
        self.kind: Kind = kind
        self.key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with the parameter class that is registered under the name."""
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
            allowed = ", ".join(spec.name for spec in specs(self.kind))
            raise ValueError(f"must be a name, or a mapping with the key {self.key}; known: {allowed}")
        try:
            parameters = lookup(self.kind, value[self.key]).parameters
        except UnknownNameError as error:
            raise _at(self.key, str(error), value[self.key]) from None
        return parameters.model_validate(value, context=info.context)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return ``anyOf`` of the names and the mapping of each registered plug-in."""
        forms: list[JsonSchemaValue] = [{"enum": [spec.name for spec in specs(self.kind)]}]
        for spec in specs(self.kind):
            form = copy.deepcopy(
                handler.resolve_ref_schema(handler(spec.parameters.__pydantic_core_schema__))
            )
            form["properties"][self.key] = {"const": spec.name, "description": spec.summary}
            forms.append(form)
        return {"anyOf": forms}


class MethodOrValue:
    """Annotation for the name of a registered method, or an explicit value of a type."""

    def __init__(self, kind: Kind, explicit: Any) -> None:
        self.kind: Kind = kind
        self.explicit = explicit

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate text as the name of a method, and all else as the explicit value."""
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
            if any(entry["loc"] or entry["type"] not in _WRONG_TYPES for entry in error.errors()):
                raise
            allowed = ", ".join(spec.name for spec in specs(self.kind))
            raise ValueError(
                f"must be a method ({allowed}) or {_WRONG_TYPES[error.errors()[0]['type']]}"
            ) from None

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return ``anyOf`` of the method names and the explicit form."""
        explicit = handler(schema)
        return {"anyOf": [{"enum": [spec.name for spec in specs(self.kind)]}, explicit]}


class RegisteredName:
    """Annotation for the name of a registered plug-in of one kind."""

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
"""The expected form of an explicit value, by pydantic's type of error."""


def _at(key: str, message: str, value: object) -> ValidationError:
    """Return the error of one key of the current mapping, so that the message has the line of that key."""
    kind = PydanticCustomError("unknown_name", "{message}", {"message": message})
    details = InitErrorDetails(type=kind, loc=(key,), input=value)
    return ValidationError.from_exception_data("name", [details])


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else value
