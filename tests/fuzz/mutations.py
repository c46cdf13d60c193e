"""Random mutations of scenarios: numbers, types, names, tags, whole sections, and the text itself."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from cutlayer.scenarios.loading.library import library
from cutlayer.scenarios.yaml_lines import dump_yaml, parse_yaml

__all__ = ["mutated"]

Path_: TypeAlias = tuple[str | int, ...]

FULL = Path(__file__).parents[1] / "support" / "full_scenario.yaml"
SLOW = {"mpsl", "fedsl_vgg19", "epsl_allocation"}
"""Scenarios of the library whose plan takes longer than a second."""

SMALL = """\
name: small
seed: 3
stop: {rounds: 2, time_s: 100.0}
target_accuracy: 0.5
schemes:
  - psl
  - {name: epsl, phi: 0.5}
  - {name: sfl, aggregate_every: 2}
  - {name: fl, local_steps: 2}
  - {name: epsl_pt, phases: [{rounds: 1, phi: 1.0}, {phi: 0.0}]}
  - {name: edgesplit, local_steps: 2, shares: equal, method: joint}
  - {name: mpsl, batches: 2, repeats: 2, first_units: 1, last_units: 1}
  - {name: one_hop, batches: 2}
  - sl
batch_size: 4
model: {name: mlp, input_shape: [1, 4, 4], classes: 3, hidden: [8, 8, 8], activation: tanh}
learning:
  dataset: {name: synthetic, train_samples: 40, test_samples: 10, class_weights: [1, 2, 3], classes: 3}
  partition: {kind: dirichlet, alpha: 5.0}
  optimizer: {name: sgd, client_lr: 0.1, server_lr: 0.1, momentum: 0.5, weight_decay: 0.001}
  evaluate_every: 1
  validation_share: 0.1
  precision: float32
  clients_pass: batched
  threads: 1
devices:
  count: 3
  clock_hz: {lognormal: {median: 1.0e9, sigma: 0.5}}
  cycles_per_flop: [0.1, 0.2, 0.3]
  distance_m: {choice: [10, 50, 100]}
  power_max_dbm: {uniform: [20, 30]}
  switched_capacitance: 1.0e-28
  battery_j: 100.0
  memory_mib: 64.0
server: {clock_hz: 5.0e9, service: arrival, memory_mib: 1024, price_per_hour: 1.0}
network:
  nodes: [{name: a, count: 2, memory_mib: 64, price_per_hour: 0.1}, {name: b, clock_hz: 1.0e9}]
  wires:
    - {between: [access-point, hub], rate_bps: 1.0e9, delay_s: 0.001}
    - {between: [hub, a-1], rate_bps: 1.0e8}
    - {between: [hub, a-2], rate_bps: 1.0e8}
    - {between: [a-2, b], rate_bps: 1.0e8}
radio:
  subchannels: 6
  path_loss: {model: log_distance, exponent: 2.5, reference_loss_db: 60, reference_distance_m: 1.0}
  fading: {model: rician, k_db: 6, coherence_s: 0.1}
  spectral_efficiency_max: 7.4
stragglers: {slowdown: {factor: 5, mean_normal_s: 6.0, mean_slow_s: 1.0}}
round_policy: {deadline_s: 30.0}
allocation:
  {subchannels: exchange, power: uniform, cut: 1, replan: {every_rounds: 1}, knowledge: {age_s: 0.01}}
"""
OPTIONS = """\
name: options
stop: {rounds: 1}
schemes:
  - {name: psl, label: one}
  - {name: esfl, cuts: common}
  - {name: sfl_v2, compression: {}}
  - fedsl
  - centralised
batch_size: 4
model: {name: lenet, input_shape: [1, 8, 8], classes: 4}
learning:
  dataset: {name: synthetic, train_samples: 60, test_samples: 8}
  partition: {kind: shards, classes_per_client: 2}
devices: {count: 4, uplink_bps: 1.0e6, downlink_bps: {uniform: [1.0e6, 2.0e6]}, fleet: uk_4g}
participation: {per_round: 2, selection: available, mean_on_s: 10.0, mean_off_s: 5.0}
compression: {pruning: {share: 0.3, renew_every: 4}, quantisation: {bits: 8}, dropout: {share: 0.2}}
radio:
  sharing: tdma
  tdma_slot_s: 0.001
  subchannels: 4
  path_loss: {model: fixed, gain_db: [-90, -91, -92, -93]}
sweep:
  grid: {devices.count: [4, 5]}
  zip: {seed: [1, 2]}
  list: [{batch_size: 2}]
  figure: [{file: a.png, x: devices.count, y: final_accuracy}]
"""

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 64, 1000, 10**5, 10**6, 10**9, 10**12, 10**15, 10**18, 10**60, 2**31, 2**32),
    *(2**63 - 1, 2**63, 2**64, -(2**63), 5e-324, 1e-320, 1e-300, 1e-100, 1e-30, 1e-12, 1e-6, 1e-3, 0.5),
    *(0.999999999, 1.5, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e24, 1e30, 1e100, 1e300, 1.7e308, -0.0, -1e300),
    *(float("inf"), float("-inf"), float("nan"), True, False),
)
TEXTS = (
    *("", " ", "x", "no", "1e9", "~", "psl", "epsl", "optimal", "access-point", "device-0", "server", "\t"),
    *("\x1b[31mred", "a\nb", "a\rb", "\x00", "\x7f", "\u202egpj", "\u2028", "\ufeff", "\ud800", "$^$", "$x"),
    *("%s", "{0}", "\\frac{", "φ", "😀", "../../x", "/dev/zero", "/", "~nobody/x", "a" * 300, "b" * 5000),
    *("a,b", '"', "'", "<b>", "&amp;", "[red]x[/red]", "-", "--help", ".", "..", "CON", "a/b", "\\"),
)
RAW = (
    *(
        "!!int [1]",
        "!!float [1.0]",
        "!!timestamp x",
        "!!bool abc",
        "!!null x",
        "!!set {a, b}",
        "!!binary aGk=",
    ),
    *(
        "!!omap [a: 1]",
        "!!python/object:os.system x",
        "!x 1",
        "!!str 1",
        "!!int 1",
        "!!float '1'",
        "*missing",
    ),
    *("9" * 5000, "0x" + "f" * 5000, "1e" + "9" * 400, "-." + "1" * 400, "[" * 60 + "]" * 60, "{a: " * 3000),
    *(
        "&a [*a, *a]",
        "2024-01-01",
        "12:30:45",
        "0b11",
        "0o17",
        "1_000",
        ".5",
        "5.",
        "+1",
        "- 1",
        "|",
        "? a",
        ":",
    ),
)
MARK = "raw@{}@"


@functools.cache
def _parsed() -> dict[str, dict[str, Any]]:
    texts = {name: path.read_text(encoding="utf-8") for name, path in library().items() if name not in SLOW}
    texts |= {"full": FULL.read_text(encoding="utf-8"), "small": SMALL, "options": OPTIONS}
    # the small scenarios reach most keys in the least time
    return {name: parse_yaml(text, name)[0] for name, text in texts.items()}


def mutated(number: int) -> str:
    """Return the text of the mutated scenario with this number; equal numbers give equal texts."""
    rng = random.Random(number)
    documents = _parsed()
    base = rng.choice([*documents, *["small", "options"] * 16])
    data: Any = copy.deepcopy(documents[base])
    _simplify(rng, data)
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        rng.choice(MUTATIONS)(rng, data, documents, raw)
    text = dump_yaml(data)
    for index, snippet in enumerate(raw):
        text = text.replace(MARK.format(index), snippet)
    if rng.random() < 0.05:
        text = _damaged(rng, text)
    return text


def _simplify(rng: random.Random, data: Any) -> None:
    """Keep one or two schemes and some optional sections: small scenarios are accepted more often."""
    data["schemes"] = rng.sample(data["schemes"], min(len(data["schemes"]), rng.choice((1, 1, 2))))
    if rng.random() < 0.8:
        data.pop("sweep", None)
    for key in ("learning", "stragglers", "round_policy", "participation", "compression", "sweep"):
        if rng.random() < 0.5:
            data.pop(key, None)
    for keys in (("battery_j",), ("memory_mib",), ("uplink_bps", "downlink_bps")):
        if rng.random() < 0.5:
            for key in keys:
                data.get("devices", {}).pop(key, None)
    if "uplink_bps" in data.get("devices", {}):
        data.get("radio", {}).pop("sharing", None)
    if "learning" not in data:
        data["stop"].pop("accuracy", None)
    elif "participation" in data:
        data.pop("compression", None)
    if rng.random() < 0.5:
        data.get("allocation", {}).pop("replan", None)
        data.get("allocation", {}).pop("knowledge", None)


def _paths(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield the path and the value of each node below a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key), inner
        yield from _paths(inner, (*path, key))


def _parent(data: Any, path: Path_) -> Any:
    return functools.reduce(lambda value, key: value[key], path[:-1], data)


def _chosen(rng: random.Random, data: Any, kind: type | tuple[type, ...] = object) -> Path_ | None:
    paths = [path for path, value in _paths(data) if isinstance(value, kind)]
    return rng.choice(paths) if paths else None


def _set(rng: random.Random, data: Any, kind: type | tuple[type, ...], value: Any) -> None:
    path = _chosen(rng, data, kind)
    if path is not None:
        _parent(data, path)[path[-1]] = value


def _extreme(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, (int, float))
    if path is not None:
        kind = type(_parent(data, path)[path[-1]])
        same = [number for number in NUMBERS if type(number) is kind]
        _parent(data, path)[path[-1]] = rng.choice(same if rng.random() < 0.7 else NUMBERS)


def _scale(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, (int, float))
    if path is not None:
        value = _parent(data, path)[path[-1]]
        factor = 10 ** rng.randint(-3, 6)
        _parent(data, path)[path[-1]] = type(value)(value * factor) if value else factor


def _text(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    _set(rng, data, str, rng.choice(TEXTS))


def _other_type(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    values: tuple[Any, ...] = (
        None,
        "",
        "text",
        1,
        1.5,
        True,
        [],
        {},
        [1],
        [[]],
        [None],
        {"a": 1},
        {"name": {}},
    )
    _set(rng, data, object, copy.deepcopy(rng.choice(values)))


def _tag(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    raw.append(rng.choice(RAW))
    _set(rng, data, object, MARK.format(len(raw) - 1))


def _deleted(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data)
    if path is not None:
        del _parent(data, path)[path[-1]]


def _repeated(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, list)
    if path is not None:
        values = _parent(data, path)[path[-1]]
        values += copy.deepcopy(values) * rng.choice((1, 1, 1, 50))


def _renamed(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data)
    if path is not None and isinstance(parent := _parent(data, path), dict):
        key = str(path[-1])
        at = rng.randrange(len(key) + 1)
        typo = rng.choice(
            (key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper(), rng.choice(TEXTS))
        )
        parent[typo] = parent.pop(path[-1])


def _spliced(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    """Put a section of another scenario at its own place, or anywhere."""
    other = documents[rng.choice(list(documents))]
    path = _chosen(rng, other)
    if path is None:
        return
    value = copy.deepcopy(_parent(other, path)[path[-1]])
    if rng.random() < 0.7:
        section = data
        for key in path[:-1]:
            if not isinstance(section, dict) or not isinstance(key, str):
                return
            section = section.setdefault(key, {})
        if isinstance(section, dict) and isinstance(path[-1], str):
            section[path[-1]] = value
    else:
        _set(rng, data, object, value)


MUTATIONS: tuple[Callable[[random.Random, Any, dict[str, Any], list[str]], None], ...] = (
    *[_extreme] * 6,
    *[_scale] * 5,
    *[_spliced] * 5,
    *[_text] * 2,
    *[_deleted] * 3,
    *(_other_type, _tag, _repeated, _renamed),
)


def _damaged(rng: random.Random, text: str) -> str:
    """Return the text with a part that is cut off, given twice or replaced."""
    at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    piece = rng.choice(
        ("\x00", "\ufeff", "\t", "\x85", "\u2028", "\x1b", "{", "[", "]", ": ", "- ", "&a ", "*a", "%")
    )
    return rng.choice(
        (
            text[:at],
            text[:at] + text[end:],
            text + text[at:end],
            text[:at] + piece + text[at:],
            text[:at] + chr(rng.randrange(0x300)) + text[at + 1 :],
            text.replace("\n", "\r\n"),
            text + "---\n" + text,
        )
    )
