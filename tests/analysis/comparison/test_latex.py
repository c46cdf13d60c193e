"""Tests of LaTeX tables: they compile whatever labels and captions hold."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from cutlayer.analysis.comparison.latex import latex_table, latex_text

NASTY = [
    *("a & b", "50 %", "$x_1$", "#1 {x}", "back\\slash ^ ~", "[first]", "* star", 'a|b <c> "d"'),
    "φ ≥ µ → 10⁻⁶",
]
COMMANDS = {
    r"\begin",
    r"\end",
    r"\centering",
    r"\caption",
    r"\label",
    r"\toprule",
    r"\midrule",
    r"\bottomrule",
    r"\\",
    r"\&",
    r"\%",
    r"\$",
    r"\#",
    r"\_",
    r"\{",
    r"\}",
    r"\textbackslash",
    r"\textasciicircum",
    r"\textasciitilde",
    r"\ensuremath",
    r"\textbar",
    r"\varphi",
    r"\geq",
    r"\mu",
    r"\to",
    r"\times",
}


def check_compiles(text: str) -> list[list[str]]:
    """Check what TeX would refuse, and return the cells of the table's rows.

    Environments and braces are closed, dollar signs come in pairs, every command is known, all rows have the
    columns of the preamble, and special characters and those beyond ASCII do not stand alone.
    """
    code = "\n".join(line for line in text.splitlines() if not line.startswith(("%", r"\label")))
    open_environments: list[str] = []
    for command, name in re.findall(r"\\(begin|end)\{(\w+)\}", code):
        if command == "begin":
            open_environments.append(name)
        else:
            assert name == open_environments.pop()
    assert [] == open_environments
    assert set() == {c for c in re.findall(r"\\(?:[A-Za-z]+|.)", code) if c not in COMMANDS}
    bare = re.sub(r"\\[&%$#_{}]", "", code)
    assert bare.count("{") == bare.count("}")
    assert 0 == bare.count("$") % 2
    mathematics = re.compile(r"\$[^$]*\$")
    assert not re.search(r"[%#~|<>\"]", bare.replace(r"\ensuremath{<}", "").replace(r"\ensuremath{>}", ""))
    assert not re.search(r"[_^]", mathematics.sub("", bare))
    assert code.isascii()
    columns = len(re.findall(r"[lrc]", re.search(r"\\begin\{tabular\}\{(\w+)\}", code)[1]))  # type: ignore[index]
    body = code[code.index(r"\toprule") : code.index(r"\bottomrule")]
    rows = body.replace(r"\toprule", "").replace(r"\midrule", "").split(r"\\")[:-1]
    cells = [re.split(r"(?<!\\)&", row) for row in rows]
    assert {columns} == {len(row) for row in cells}
    assert not any(row[0].strip().startswith(("[", "*")) for row in cells)
    return [[cell.strip() for cell in row] for row in cells]


@pytest.mark.parametrize("nasty", NASTY)
def test_any_text_compiles(nasty: str) -> None:
    """Special characters in labels, headings, captions and notes are text, and break no table."""
    shown = pd.DataFrame({"Scheme": [nasty, "SL"], f"Time {nasty} [s]": ["1.0", nasty]})
    text = latex_table(shown, 1, caption=f"About {nasty}.", label="tab:x-1_a", remarks=[f"{nasty}\nmore"])
    rows = check_compiles(text)
    assert 3 == len(rows)
    assert r"\label{tab:x-1_a}" in text


def test_a_table_has_the_rules_of_booktabs() -> None:
    """Without caption and label it is a tabular alone; with one of them it floats."""
    shown = pd.DataFrame({"Scheme": ["EPSL (φ = 0.5)"], "Round time [s]": ["1.25 [1.20, 1.31]"]})
    plain = latex_table(shown, 1)
    assert [["Scheme", "Round time [s]"], [r"EPSL ($\varphi$ = 0.5)", "1.25 [1.20, 1.31]"]] == check_compiles(
        plain
    )
    assert plain.startswith(r"\begin{tabular}{lr}") and r"\hline" not in plain
    assert latex_table(shown, 1, caption="Results.").startswith(
        "\\begin{table}[t]\n\\centering\n\\caption{Results.}"
    )


def test_numbers_are_mathematics() -> None:
    """Minus signs, powers of ten and Greek letters become mathematics; hyphens and dashes stay text."""
    assert "$-$1.5" == latex_text("-1.5")
    assert "0.9--1.0" == latex_text("0.9–1.0")
    assert r"$2.5\times 10^{-7}$" == latex_text("2.5e-07")
    assert r"$\delta$ = 0.2, a-1" == latex_text("δ = 0.2, a-1")
    assert "10$^{-6}$" == latex_text("10⁻⁶")


def test_a_label_has_plain_characters() -> None:
    """A label with a brace or a space is refused, with the allowed characters."""
    with pytest.raises(ValueError, match="letters, digits and"):
        latex_table(pd.DataFrame({"Scheme": ["SL"]}), 1, label="tab:{x}")
