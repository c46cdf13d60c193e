"""The page docs/reference/python.md: the public names of the package, from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator

import cutlayer

from .markdown import code, generated_note, sentence, table

__all__ = ["python_page"]

_HEAD = """# Python interface

The public names of `cutlayer`. Each is imported at its first use, so that `import cutlayer` is fast.
Tables are pandas data frames; their columns are those of the [run folder](results.md).

```python
import cutlayer

result = cutlayer.run("timeline_only", overrides=["stop.rounds=3"])
print(result.rounds.groupby("label")["latency_s"].mean())
```

[Extending](../extending.md) lists the interfaces for schemes, models and other objects of your own.
"""

_SECTION = re.compile(r"^(\w+)\n-+$", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^:\n]*)(?: : (.+))?$")


def python_page() -> str:
    """Return the text of the page."""
    names = [name for name in dir(cutlayer) if not name.startswith("_")]
    objects = {name: getattr(cutlayer, name) for name in names}
    groups = {
        "Functions": [name for name in names if not inspect.isclass(objects[name])],
        "Results": [
            name for name in names if inspect.isclass(objects[name]) and not _is_error(objects[name])
        ],
        "Errors": [name for name in names if _is_error(objects[name])],
    }
    parts = [_HEAD]
    for title, members in groups.items():
        parts.append(f"## {title}\n")
        if title == "Errors":
            rows = [(code(name), sentence(_first(objects[name]))) for name in members]
            parts.append(table(("error", "meaning"), rows))
            continue
        for name in members:
            parts += _class(name, objects[name]) if title == "Results" else [_function(name, objects[name])]
    return generated_note("the docstrings of `cutlayer`") + "\n" + "\n".join(parts)


def _function(name: str, function: object, level: int = 3, prefix: str = "cutlayer.") -> str:
    """Return the text about a function: its signature, its docstring and its parameters."""
    signature = _signature(f"{prefix}{name}", function)
    return "\n".join([f"{'#' * level} {name}\n", f"```text\n{signature}\n```\n", _description(function)])


def _class(name: str, cls: type) -> Iterator[str]:
    """Yield the text about a class, then those of its public methods and properties."""
    yield f"### {name}\n"
    yield _description(cls)
    properties = [
        (code(member), sentence(re.sub(r"^Return ", "", _first(value))))
        for member, value in _members(cls)
        if not inspect.isfunction(value)
    ]
    if properties:
        yield "Its properties:\n"
        yield table(("property", "meaning"), properties)
    for member, value in _members(cls):
        if inspect.isfunction(value):
            yield _function(f"{name}.{member}", value, level=4, prefix="")


def _members(cls: type) -> list[tuple[str, object]]:
    """Return the public methods and properties of a class, in the order of their definition."""
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    return [
        (name, value)
        for name, value in vars(cls).items()
        if not name.startswith("_") and name not in fields and getattr(value, "__doc__", None)
    ]


def _description(documented: object) -> str:
    """Return a docstring as Markdown: its text, then a table for each of its sections."""
    text = inspect.cleandoc(getattr(documented, "__doc__", None) or "")
    pieces = _SECTION.split(text)
    parts = [_markup(pieces[0].strip()) + "\n"]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title == "Returns":
            kind, _, meaning = body.strip("\n").partition("\n")
            parts.append(f"Returns `{kind}`:\n\n{_markup(inspect.cleandoc(meaning))}\n")
            continue
        rows = [(code(name), code(kind) if kind else "", meaning) for name, kind, meaning in _entries(body)]
        is_errors = title == "Raises"
        if is_errors:
            parts.append("Raises:\n")
        parts.append(table(("error", "", "reason") if is_errors else ("name", "type", "meaning"), rows))
    return "\n".join(parts)


def _entries(body: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and text of each entry of a numpydoc section."""
    entry: tuple[str, str] | None = None
    lines: list[str] = []
    for line in [*body.strip("\n").split("\n"), "end"]:
        if line and not line.startswith(" "):
            if entry is not None:
                yield (*entry, sentence(_markup(" ".join(lines))))
            match = _ENTRY.match(line)
            entry, lines = (match[1], match[2] or "") if match else (line, ""), []
        else:
            lines.append(line.strip())


def _signature(name: str, function: object) -> str:
    """Return a call with the defaults of the function, one parameter a line if it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    texts, star = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
                texts.append("*")
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        default = parameter.default
        if inspect.isclass(default) and default is not parameter.empty:
            texts.append(f"{parameter.name}={default.__name__}")
        else:
            texts.append(str(parameter.replace(annotation=parameter.empty)))
    line = f"{name}({', '.join(texts)})"
    if len(line) <= 90:
        return line
    return f"{name}(\n" + "".join(f"    {text},\n" for text in texts) + ")"


def _first(documented: object) -> str:
    return _markup(inspect.cleandoc(getattr(documented, "__doc__", None) or "").split("\n\n")[0])


def _markup(text: str) -> str:
    """Return the text of a docstring with the marks of Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)
