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
    for figure in folder.glob("*.png"):
        shutil.copy(figure, FIGURES / f"{name}_{figure.name}")
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(TABLE.sub(lambda m: f"{m[1]}{table(folder / m[2])}{m[3]}", text), encoding="utf-8")


def table(path: Path) -> str:
    """Return the numbers of a figure: a row a point of the x axis, a column a line."""
    numbers = pd.read_csv(path, dtype={"label": str})
    (y,) = (column.removesuffix("_low") for column in numbers if column.endswith("_low"))
    told = ["label", "scheme", y, f"{y}_low", f"{y}_high", "seeds"]
    keys = [column for column in numbers if column not in told]
    numbers["text"] = [
        f"{centre:.4g}" + ("" if pd.isna(low) else f" ({low:.4g} to {high:.4g})")
        for centre, low, high in zip(numbers[y], numbers[f"{y}_low"], numbers[f"{y}_high"], strict=True)
    ]
    order = list(dict.fromkeys(numbers["label"]))
    filled = numbers.fillna(dict.fromkeys(keys, "–"))
    wide = filled.pivot(index=keys, columns="label", values="text")[order].reset_index()
    heading = f"`{y}`, with 95 % intervals over {int(numbers['seeds'].max())} seeds:"
    return f"{heading}\n\n{wide.to_markdown(index=False)}\n"


def main(wanted: list[str]) -> None:
    """Do what is asked for."""
    for name in wanted or ["quickstart", *sorted(page.stem for page in PAGES.glob("*.md"))]:
        quickstart() if name == "quickstart" else experiment(name)


if __name__ == "__main__":
    main(sys.argv[1:])
