"""Make the figures, tables and outputs of the README and of the pages anew.

``python docs/refresh.py`` does all of them, ``python docs/refresh.py quickstart epsl_clients`` some, from any
folder. Besides the names of experiments the targets are:

- ``reference``: the pages of docs/reference, from the code;
- ``guides`` and ``tutorial``: the outputs of the commands in docs/guides and docs/tutorial.md;
- ``notebook``: the outputs of docs/tutorial.ipynb;
- ``map``: the maps of the folders in docs/design.md;
- ``coverage``: the coverage of confidence intervals over seeds in docs/model.md;
- ``queueing``: the comparison of simulations with queueing theory.

Sweeps are kept in ``sweeps/``, so that points that are finished are not run again. The
table from measured layer times is made anew only where ``CUTLAYER_PROFILES`` in the environment names their
folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import coverage_table
import pandas as pd
import tutorial_notebook
from import_map import PAGE, with_maps
from page_examples import run_command, with_outputs
from reference_pages import write_pages

import cutlayer
from cutlayer.analysis.explain.text import savings_text, text_tables
from cutlayer.analysis.figures.axis_text import axis_label
from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval
from cutlayer.experiments.what_if.resimulation import what_if

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
PAGES = ROOT / "docs" / "experiments"
CUTLAYER = str(Path(sys.executable).with_name("cutlayer"))
QUICKSTART = re.compile(r"(<!-- quickstart -->\n).*?(<!-- end -->)", re.DOTALL)
QUICKSTART_SEEDS = re.compile(r"(<!-- quickstart seeds -->\n).*?(<!-- end -->)", re.DOTALL)
TIMELINE_COLUMNS = "cut,latency,planned,total,samples,uplink,downlink,energy,speedup"
"""The columns of a single run; the README gives learning results over several seeds alone."""
TABLE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLUMNS = re.compile(r"(<!-- columns ([^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RELATIVE = re.compile(r"(<!-- relative ([^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RUN = re.compile(r"(<!-- run( [^\n]+?)? -->\n).*?(<!-- end -->)", re.DOTALL)
QUEUEING = re.compile(r"(<!-- queueing -->\n).*?(<!-- end -->)", re.DOTALL)
EXPLAINED = re.compile(r"(<!-- explain (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
MEASURED = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)


def quickstart() -> None:
    """Run the quickstart and its sweep over seeds, and put figures and tables into the README."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "quickstart"
        subprocess.run([CUTLAYER, "run", "quickstart", "--out", str(folder)], check=True)
        for name in ("gantt", "accuracy"):
            shutil.copy(folder / f"{name}.png", FIGURES / f"quickstart_{name}.png")
        table = comparison(folder, "--columns", TIMELINE_COLUMNS)
    sweep = ROOT / "sweeps" / "quickstart"
    subprocess.run([CUTLAYER, "sweep", "quickstart", "--out", str(sweep)], check=True)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    text = QUICKSTART.sub(lambda m: f"{m[1]}{table}{m[2]}", text)
    text = QUICKSTART_SEEDS.sub(lambda m: f"{m[1]}{over_seeds(sweep)}{m[2]}", text)
    readme.write_text(text, encoding="utf-8")


def compared(folder: Path, *options: str) -> list[str]:
    """Return the lines of ``cutlayer compare`` in Markdown: the table, and notes that begin with a hyphen."""
    command = [CUTLAYER, "compare", str(folder), "--format", "markdown", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def comparison(folder: Path, *options: str) -> str:
    """Return the comparison table of a run without its notes, since the pages explain the tables."""
    return "".join(f"{line}\n" for line in compared(folder, *options) if line.startswith("|"))


def over_seeds(folder: Path) -> str:
    """Return the learning results of a sweep over seeds as a table, with the note on undecided orders."""
    options = ("--columns", "target,accuracy,target_change,sooner", "--intervals")
    lines = compared(folder, *options)
    undecided = [line.removeprefix("- ") for line in lines if "undecided" in line]
    return comparison(folder, *options) + "".join(f"\n{n[0].upper()}{n[1:]}.\n" for n in undecided)


def paper_figures() -> None:
    """Run the study of the guide on figures for papers, and put its figure and its tables into the guide."""
    page = ROOT / "docs" / "guides" / "paper_figures.md"
    text = page.read_text(encoding="utf-8")
    scenario = text.split("```yaml\n")[1].split("```")[0]
    folder = ROOT / "sweeps" / "paper_figures"
    with tempfile.TemporaryDirectory() as parent:
        (Path(parent) / "study.yaml").write_text(scenario, encoding="utf-8")
        command = [CUTLAYER, "sweep", str(Path(parent) / "study.yaml"), "--out", str(folder)]
        subprocess.run(command, check=True)
    picture = FIGURES / "paper_figures_curves.png"
    options = ["--width", "3.5in", "--font", "STIXGeneral", "--output"]
    subprocess.run([CUTLAYER, "figure", str(folder), "curves", *options, str(picture)], check=True)
    table = comparison(folder, "--columns", "latency,accuracy,energy", "--intervals")
    text = re.sub(
        r"(<!-- table -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{table}{m[2]}", text, flags=re.DOTALL
    )
    numbers = figure_table(folder, "target")
    text = re.sub(
        r"(<!-- numbers -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{numbers}{m[2]}", text, flags=re.DOTALL
    )
    page.write_text(text, encoding="utf-8")


def rerun(name: str, options: str) -> str:
    """Return the comparison table of a run with these options of the command."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / name
        subprocess.run([CUTLAYER, "run", name, *options.split(), "--out", str(folder)], check=True)
        return comparison(folder)


def experiment(name: str) -> None:
    """Run a sweep, or a scenario whose page shows a run, and put its figures and tables into its page."""
    if RUN.search((PAGES / f"{name}.md").read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / name
            subprocess.run([CUTLAYER, "run", name, "--out", str(folder)], check=True)
            fill(name, folder)
        return
    folder = ROOT / "sweeps" / name
    subprocess.run([CUTLAYER, "sweep", name, "--out", str(folder)], check=True)
    fill(name, folder)


def fill(name: str, folder: Path) -> None:
    """Put the figures and tables of a finished run or sweep into its page."""
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    text = RUN.sub(lambda m: f"{m[1]}{rerun(name, m[2]) if m[2] else comparison(folder)}{m[3]}", text)
    text = EXPLAINED.sub(lambda m: f"{m[1]}{explained(folder, m[2])}{m[3]}", text)
    text = COLUMNS.sub(lambda m: f"{m[1]}{columns(folder, m[2].split())}{m[3]}", text)
    text = RELATIVE.sub(lambda m: f"{m[1]}{relative(folder, m[2])}{m[3]}", text)
    if "CUTLAYER_PROFILES" in os.environ:
        text = MEASURED.sub(lambda m: f"{m[1]}{measured(Path(os.environ['CUTLAYER_PROFILES']))}{m[2]}", text)
    text = TABLE.sub(lambda m: f"{m[1]}{figure_table(folder, Path(m[2]).stem)}{m[3]}", text)
    for figure in folder.glob("*.png"):
        if f"{name}_{figure.name}" in text:
            shutil.copy(figure, FIGURES / f"{name}_{figure.name}")
    page.write_text(text, encoding="utf-8")


def explained(folder: Path, part: str) -> str:
    """Return a table of ``cutlayer explain``: ``blame``, ``slack``, ``round`` times, or ``what-if``."""
    run = cutlayer.load(folder)
    if part == "what-if":
        shown = savings_text(what_if(run, folder))
    else:
        tables = text_tables(run.explain())
        shown = next(table for title, table in tables.items() if title.startswith(part))
    is_text = ("scheme", "node", "phase", "change")
    sides = ["left" if name in is_text else "right" for name in shown.columns]
    return shown.to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"


def figure_table(folder: Path, name: str) -> str:
    """Return the numbers of a figure: one row for each point of the x axis, one column for each scheme."""
    command = [CUTLAYER, "figure", str(folder), name, "--table", "markdown"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def columns(folder: Path, selection: list[str]) -> str:
    """Return columns of a table of a sweep or a run; measured columns are means over the seeds.

    Parameters
    ----------
    folder : Path
        The folder of the sweep or the run.
    selection : list of str
        The file of the table, and the names of its columns.
    """
    file, *names = selection
    rows = pd.read_csv(folder / file, dtype={"label": str})
    keys = [name for name in names if "." in name or not pd.api.types.is_float_dtype(rows[name])]
    numbers = [name for name in names if name not in keys]
    means = rows.groupby(keys, sort=False, dropna=False)[numbers].mean().reset_index()[names]
    cells = means.map(lambda x: "–" if pd.isna(x) else f"{x:.4g}" if isinstance(x, float) else str(x))
    cells = cells.apply(lambda column: column.str.replace("|", ", "))  # | ends a cell
    sides = ["right" if pd.api.types.is_numeric_dtype(means[name]) else "left" for name in names]
    cells = cells.rename(columns=in_words(names))
    return cells.to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"


def relative(folder: Path, quantity: str) -> str:
    """Return a quantity of each point of a sweep over its value at the first point with the same seed.

    Parameters
    ----------
    folder : Path
        The folder of a sweep whose points differ in their names.
    quantity : str
        A column of ``schemes.csv``, or two of them with a slash between them for their quotient.
    """
    rows = pd.read_csv(folder / "schemes.csv", dtype={"label": str})
    over, _, under = quantity.partition("/")
    rows["value"] = rows[over] / rows[under] if under else rows[over]
    first = rows[rows["name"] == rows["name"].iloc[0]]
    base = rows.merge(first[["label", "seed", "value"]], on=["label", "seed"], suffixes=("", "_base"))
    ratios = (base["value"] / base["value_base"]).groupby([base["name"], base["label"]], sort=False)
    cells = {key: _interval_text(values) for key, values in ratios}
    table = pd.Series(cells).unstack()
    names, labels = (rows[column].drop_duplicates().tolist() for column in ("name", "label"))
    return table.loc[names[1:], labels].rename_axis("name").reset_index().to_markdown(index=False) + "\n"


def _interval_text(values: pd.Series[float]) -> str:
    centre, low, high = centre_and_interval(values, Range.POSITIVE)
    return f"{centre:.2f} ({low:.2f} to {high:.2f})"


def in_words(names: list[str]) -> dict[str, str]:
    """Return the axis labels of swept keys; columns of a file keep their names."""
    return {name: axis_label(name) for name in names if "." in name}


def measured(profiles: Path) -> str:
    """Return placements and epochs of MP-SL's testbed from measured layer times, for 100 owners."""
    schemes = "schemes=[{name: mpsl, %s}, {name: mpsl, %s, placement: slowest}]"
    epoch = "first_units: 2, last_units: 1, batches: 16, repeats: 2"
    rows = []
    for nodes in (3, 4, 5):
        run = cutlayer.run(
            "testbed",
            overrides=[
                "sweep=null",
                schemes % (epoch, epoch),
                f"model={{name: measured, profile: {profiles / 'resnet101_cifar10'}}}",
                "devices.profile=raspberry_pi_4",
                "devices.count=100",
                "network.nodes.0.profile=vm",
                f"network.nodes.0.count={nodes}",
            ],
        )
        for label, summary in run.summary["schemes"].items():
            stages = run.stages.query("label == @label")
            batch_s = (
                (stages["busy_s"] / stages["intervals"]).groupby([stages["node"], stages["phase"]]).sum()
            )
            forward_s, back_s, update_s = (
                batch_s.xs(phase, level="phase") for phase in ("node_forward", "node_backward", "node_update")
            )
            rows.append(
                {
                    "nodes": nodes,
                    "scheme": label,
                    "placement": summary["placement"].replace("|", ", "),
                    "L_fwd + L_back [ms]": 1e3 * (forward_s.max() + (back_s + update_s).max()),
                    "slowest [ms]": 1e3 * (forward_s + back_s + update_s).max(),
                    "busiest node [min]": summary["pipe_full_s"] / 60,
                    "formula [min]": summary["formula_s"] / 60,
                    "events [min]": summary["mean_latency_s"] / 60,
                }
            )
    return pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f") + "\n"


def guides() -> None:
    """Run the commands of the guides, and put their outputs into the pages."""
    for page in sorted((ROOT / "docs" / "guides").glob("*.md")):
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(with_outputs(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


def tutorial() -> None:
    """Run the commands of the tutorial, and put their outputs and figures into the page."""
    page = ROOT / "docs" / "tutorial.md"
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        page.write_text(with_outputs(page.read_text(encoding="utf-8"), folder), encoding="utf-8")
        png = "sweep.figure=[{file: accuracy.png, kind: curves, x: end_s, y: test_accuracy}]"
        with contextlib.chdir(folder):
            run_command(["sweep", "first-sweep.yaml", "--tables", "--set", png])
        for name, path in {
            "gantt": "runs/timeline/gantt.png",
            "accuracy": "runs/first-study/accuracy.png",
            "sweep": "sweeps/first-sweep/accuracy.png",
        }.items():
            shutil.copy(folder / path, FIGURES / f"tutorial_{name}.png")


def import_maps() -> None:
    """Draw the maps of the folders in docs/design.md."""
    PAGE.write_text(with_maps(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def coverage() -> None:
    """Measure the coverage of the confidence intervals over seeds for docs/model.md."""
    page = coverage_table.PAGE
    page.write_text(coverage_table.with_coverage(page.read_text(encoding="utf-8")), encoding="utf-8")


def queueing() -> None:
    """Simulate open queues, and put their comparison with queueing theory into its page."""
    command = [sys.executable, "-m", "tests.support.queueing_laws"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    page = PAGES / "queueing.md"
    filled = QUEUEING.sub(lambda m: f"{m[1]}{text}{m[2]}", page.read_text(encoding="utf-8"))
    page.write_text(filled, encoding="utf-8")


def main(targets: list[str]) -> None:
    """Make these targets anew; by default all."""
    pages = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "README")
    others = {
        "reference": write_pages,
        "quickstart": quickstart,
        "guides": guides,
        "tutorial": tutorial,
        "notebook": tutorial_notebook.refresh,
        "paper_figures": paper_figures,
        "map": import_maps,
        "coverage": coverage,
        "queueing": queueing,
    }
    for name in targets or dict.fromkeys([*others, *pages]):
        others[name]() if name in others else experiment(name)


if __name__ == "__main__":
    main(sys.argv[1:])
