"""The scenarios that are mutated: those of the library, and small ones with most keys."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from cutlayer.scenarios.loading.library import library
from cutlayer.scenarios.yaml_lines import parse_yaml

__all__ = ["SMALL_DOCUMENTS", "documents"]

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

FAULTS = """\
name: faults
seed: 5
stop: {rounds: 2}
schemes:
  - psl
  - {name: sfl, round_policy: {first: 2}}
  - {name: edgesplit, local_steps: 2}
  - fl
  - sl
batch_size: 4
model: {name: mlp, input_shape: [1, 4, 4], classes: 3, hidden: [8, 8]}
learning:
  dataset: {name: synthetic, train_samples: 40, test_samples: 10, classes: 3}
devices:
  count: 3
  clock_hz: 1.0e7
  overrides: {1: {clock_hz: 2.0e7}}
  exclude: [2]
server: {clock_hz: 1.0e8, service: arrival}
radio: {subchannels: 6, sharing: work_conserving}
allocation: {subchannels: round_robin, power: uniform, cut: 1}
stragglers:
  slowdown: {factor: [2.0, 1.0, 8.0], mean_normal_s: 0.02, mean_slow_s: {uniform: [0.01, 0.02]}}
  compute_noise: {lognormal: {sigma: 0.5}}
  load: load.csv
faults:
  availability: {mean_on_s: 0.1, mean_off_s: 0.05}
  outage: {mean_up_s: 0.01, mean_down_s: 0.005, restart: false}
  packet_loss: {packet_bits: 1000, rate: 0.1, max_tries: 9}
  server: {slowdown: {factor: 4, mean_normal_s: 0.02, mean_slow_s: 0.01}, mean_up_s: 0.1, mean_down_s: 0.01}
  lost_update: 0.1
round_policy: {deadline_s: 1.0, quorum: 0.5, max_wait_s: 2.0}
"""

SMALL_DOCUMENTS = {"small": SMALL, "options": OPTIONS, "faults": FAULTS}
"""Small scenarios, which reach most keys in the least time."""


@functools.cache
def documents() -> dict[str, dict[str, Any]]:
    """Return the data of each scenario, by name."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in library().items() if name not in SLOW}
    texts |= {"full": FULL.read_text(encoding="utf-8"), **SMALL_DOCUMENTS}
    return {name: parse_yaml(text, name)[0] for name, text in texts.items()}
