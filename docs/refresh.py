"""Make the figures and tables of the README and of docs/experiments anew.

``python docs/refresh.py`` does all of them, ``python docs/refresh.py quickstart epsl_clients`` some, from any
folder. Sweeps are kept in ``sweeps/``, so that points that are finished are not run again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
PAGES = ROOT / "docs" / "experiments"
CUTLAYER = str(Path(sys.executable).with_name("cutlayer"))
QUICKSTART = re.compile(r"(<!-- quickstart -->\n).*?(<!-- end -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def quickstart() -> None:
    """Run the quickstart, and put its figures and table into the README."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "quickstart"
        subprocess.run([CUTLAYER, "run", "quickstart", "--out", str(folder)], check=True)
        for name in ("gantt", "accuracy"):
            shutil.copy(folder / f"{name}.png", FIGURES / f"quickstart_{name}.png")
        command = [CUTLAYER, "compare", str(folder), "--format", "markdown"]
        table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(QUICKSTART.sub(lambda m: f"{m[1]}{table}{m[2]}", text), encoding="utf-8")


def experiment(name: str) -> None:
    """Run a sweep, and put its figures and tables into its page."""
    folder = ROOT / "sweeps" / name
    subprocess.run([CUTLAYER, "sweep", name, "--out", str(folder)], check=True)
    fill(name, folder)


def fill(name: str, folder: Path) -> None:
    """Put the figures and tables of a finished sweep into its page."""
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    for figure in folder.glob("*.png"):
        if f"{name}_{figure.name}" in text:
            shutil.copy(figure, FIGURES / f"{name}_{figure.name}")
    page.write_text(TABLE.sub(lambda m: f"{m[1]}{table(folder / m[2])}{m[3]}", text), encoding="utf-8")


def table(path: Path) -> str:
    """Return the numbers of a figure: a row a point of the x axis, a column a line."""
    numbers = pd.read_csv(path, dtype={"label": str})
    columns = [str(column) for column in numbers]
    (y,) = (column.removesuffix("_low") for column in columns if column.endswith("_low"))
    told = ["label", "scheme", y, f"{y}_low", f"{y}_high", "seeds"]
    keys = [column for column in columns if column not in told]
    numbers["text"] = [
        f"{centre:.4g}" + ("" if pd.isna(low) else f" ({low:.4g} to {high:.4g})")
        for centre, low, high in zip(numbers[y], numbers[f"{y}_low"], numbers[f"{y}_high"], strict=True)
    ]
    chosen = chosen_key(numbers, keys)
    if chosen is not None:
        keys.remove(chosen)
        numbers["text"] += [f" at {value:g}" for value in numbers[chosen]]
    order = list(dict.fromkeys(numbers["label"]))
    filled = numbers.fillna(dict.fromkeys(keys, "null")).assign(all="all seeds")
    wide = (
        filled.pivot(index=keys or ["all"], columns="label", values="text")[order].reset_index().fillna("–")
    )
    intervals = ", with 95 % intervals" if numbers[f"{y}_low"].notna().any() else ""
    heading = f"`{y}`{intervals} over {int(numbers['seeds'].max())} seeds"
    heading += f", at the best `{chosen}`:" if chosen else ":"
    return f"{heading}\n\n{wide.to_markdown(index=False)}\n"


def chosen_key(numbers: pd.DataFrame, keys: list[str]) -> str | None:
    """Return the swept key of which each line shows its best value alone; None where there is none."""
    for key in reversed(keys):
        others = [name for name in keys if name != key]
        by_line = numbers.groupby([*others, "label"], dropna=False)[key].nunique()
        if by_line.max() == 1 and numbers.groupby(others or (lambda _: 0))[key].nunique().max() > 1:
            cells = numbers[others].drop_duplicates().shape[0] if others else 1
            if len(by_line) >= 0.7 * cells * numbers["label"].nunique():
                return key
    return None


def main(wanted: list[str]) -> None:
    """Do what is asked for."""
    for name in wanted or ["quickstart", *sorted(page.stem for page in PAGES.glob("epsl_*.md"))]:
        quickstart() if name == "quickstart" else experiment(name)


if __name__ == "__main__":
    main(sys.argv[1:])
