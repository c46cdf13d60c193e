"""Tables in LaTeX for papers, with the rules of the package booktabs. Plain text can't break them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

__all__ = ["latex_table", "latex_text"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\textbar{}",
    '"': "''",
    "φ": r"$\varphi$",
    "ε": r"$\varepsilon$",
    "µ": r"$\mu$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\to$",
    "−": r"$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "\n": " ",
}
_MINUS_SIGN = re.compile(r"(?<![\w.-])-(?=\d)")  # no hyphen of a name, no dash, no sign of an exponent
_EXPONENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-])0*(\d+)\b")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_LABEL = re.compile(r"[A-Za-z0-9:._/-]+")


def latex_text(text: str) -> str:
    """Return a plain text as LaTeX: special characters, Greek letters, minus signs and powers of ten."""
    escaped = "".join(_ESCAPES.get(character) or _greek(character) or character for character in text)
    escaped = _MINUS_SIGN.sub("$-$", escaped)
    escaped = _EXPONENT.sub(lambda m: rf"${m[1]}\times 10^{{{'-' if m[2] == '-' else ''}{m[3]}}}$", escaped)
    return _SUPERSCRIPT.sub(lambda m: f"$^{{{m[0].translate(_SUPERSCRIPTS)}}}$", escaped)


def _greek(character: str) -> str:
    """Return the command of a Greek letter; empty for any other character."""
    words = unicodedata.name(character, "").split(" ")
    if words[:1] != ["GREEK"] or words[2:3] != ["LETTER"] or len(words) != 4:
        return ""
    name = words[3].lower().replace("lamda", "lambda")
    return rf"$\{name.capitalize() if words[1] == 'CAPITAL' else name}$"


def latex_table(
    shown: pd.DataFrame,
    num_texts: int,
    *,
    caption: str | None = None,
    label: str | None = None,
    remarks: Sequence[str] = (),
) -> str:
    """Return a table of texts as LaTeX; it needs ``\\usepackage{booktabs}``.

    Parameters
    ----------
    shown : DataFrame
        The cells and the headings.
    num_texts : int
        The number of columns at the left that hold names; the others are aligned to the right.
    caption : str, optional
        The caption in plain text. With a caption or a label, the tabular stands in a ``table``.
    label : str, optional
        The name for ``\\ref``.
    remarks : sequence of str, optional
        Comments below the table.

    Raises
    ------
    ValueError
        If the label has other characters than letters, digits and ``: . _ / -``.
    """
    if label is not None and not _LABEL.fullmatch(label):
        raise ValueError(f"a label has letters, digits and : . _ / - alone; it is {label!r}")
    rows = [[latex_text(cell) for cell in row] for row in shown.itertuples(index=False)]
    for row in rows:
        if row[0][:1] in ("[", "*"):  # after the end of a line, this would be an option of it
            row[0] = "{}" + row[0]
    text: str = tabulate(
        rows,
        headers=[latex_text(str(name)) for name in shown.columns],
        tablefmt="latex_raw",
        disable_numparse=True,
        colalign=["left"] * num_texts + ["right"] * (len(shown.columns) - num_texts),
    )
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        text = text.replace(r"\hline", rule, 1)
    lines = [text]
    if caption is not None or label is not None:
        lines = [r"\begin{table}[t]", r"\centering"]
        lines += [] if caption is None else [rf"\caption{{{latex_text(caption)}}}"]
        lines += [] if label is None else [rf"\label{{{label}}}"]
        lines += [text, r"\end{table}"]
    comments = [f"% {' '.join(remark.split())}" for remark in remarks]
    return "\n".join([*lines, *comments]) + "\n"
