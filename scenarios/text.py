"""Text that the user gives: the characters that are refused, and their escapes in messages."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

__all__ = [
    "LABEL_LENGTH_MAX",
    "Label",
    "Text",
    "control_character",
    "described_error",
    "one_line",
    "printable",
]

LABEL_LENGTH_MAX = 200
"""Largest number of characters of a name or label, so that it fits into a file name and a table."""

_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that change a terminal or the order of text, or that cannot be encoded."""


def _is_control(character: str) -> bool:
    return not " " <= character <= "~" and unicodedata.category(character) in _CONTROL


def control_character(text: str) -> str | None:
    """Return the escape of the first control character of a text, for example ``\\x1b``; None without one."""
    return next((printable(character) for character in text if _is_control(character)), None)


def printable(text: str) -> str:
    """Return a text with an escape such as ``\\x1b`` in place of each control character.

    Control characters include line breaks, the escapes of terminals, marks that reverse the direction of
    writing, and halves of characters that no encoding has.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if _is_control(character) else character for character in text)


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line, with control characters as escapes.

    It is the name of the error's type if it has no message.
    """
    return printable(" ".join(str(error).split())) or type(error).__name__


def described_error(error: BaseException, where: str = "") -> str:
    """Return the type of an error, the place where it occurred, and its message, if any, in one line."""
    name = f"{type(error).__name__} {where}".rstrip()
    return f"{name}: {one_line(error)}" if str(error).strip() else name


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _without_control_characters(text: str) -> str:
    escape = control_character(text)
    if escape is not None:
        raise ValueError(f"must have no control characters; it has {escape}")
    return text


class _PatternInSchema:
    """Annotation that states the rule of control characters in the JSON Schema, for editors."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema: dict[str, Any] = handler(schema)
        json_schema["pattern"] = r"^[^\u0000-\u001f\u007f-\u009f]*$"
        return json_schema


Text = Annotated[str, AfterValidator(_without_control_characters), _PatternInSchema()]
"""A text of one line without control characters."""

Label = Annotated[
    str,
    Field(min_length=1, max_length=LABEL_LENGTH_MAX),
    AfterValidator(_without_control_characters),
    _PatternInSchema(),
]
"""A name or label that is printed, drawn and written: from 1 to 200 characters without control characters."""
