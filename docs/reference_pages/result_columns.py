"""The page docs/reference/results.md: columns and values of a run folder, from their descriptions."""

from __future__ import annotations

from collections.abc import Mapping

from cutlayer.analysis.results.column_descriptions import (
    CHAIN_VALUES,
    COLUMNS,
    ONE_HOP_VALUES,
    SCHEME_VALUES,
    SUMMARY_VALUES,
    Column,
)
from cutlayer.analysis.results.table_formats import EVENTS, INTERVALS

from .markdown import code, generated_note, table

__all__ = ["results_page"]

_HEAD = """# Results columns

Every column of a run folder's tables, and every value of its `summary.json`.
[Results](../results.md) explains the files, the charts and the comparison of runs. Times are simulated
seconds since the start of the run. Missing numbers are empty cells in CSV files and null in JSON.
"""

_ABOUT = {
    "rounds": "One row for each scheme and round.",
    "devices": "One row for each scheme and device. Gains, subchannels, powers and rates are those of the"
    " first plan; with `participation`, those of the last round that selected the device.",
    "nodes": "One row for each scheme and server or compute node.",
    "stages": "One row for each scheme, node and phase: where time and energy went.",
    "intervals": "One row for each interval of activity. All other results follow from this table. A transfer"
    " is one row, at the device; a broadcast is one row, at the server. If devices have power for idle time,"
    " reception or circuits, a broadcast also has a row at each device that receives it, without bits and"
    " energy. The rows of a scheme are in the order of their start.",
    "events": "One row for each event: why a node was late, idle or cut off. States of one node and kind"
    " never overlap. Only states of the server and of the round's clients are recorded. Here a round begins"
    " at the end of the round before it. Fading is no event.",
    "memory": "One row for each change of a compute node's memory. The file exists only if compute nodes are"
    " in use.",
}

_PHASES = {
    "client_forward": ("compute", "A client computes the forward pass of its part."),
    "uplink": ("uplink", "It sends its smashed data."),
    "server_forward": ("compute", "The server computes the forward pass of its part."),
    "server_backward": ("compute", "It computes the backward pass."),
    "broadcast": ("downlink", "The access point sends the same bits to several clients."),
    "downlink": ("downlink", "A client receives its activation gradients."),
    "client_backward": ("compute", "It computes the backward pass of its part."),
    "model_upload": ("uplink", "It sends its part of the model, or the whole model."),
    "model_download": ("downlink", "It receives a part of the model."),
    "activation_hop": ("wire", "Activations travel over a wire between nodes."),
    "gradient_hop": ("wire", "Activation gradients travel over a wire between nodes."),
    "node_forward": ("compute", "A compute node computes the forward pass of its part."),
    "node_backward": ("compute", "It computes the backward pass."),
    "node_update": ("compute", "It updates the weights of its part."),
    "activation_downlink": ("downlink", "An owner receives the input of its last part."),
    "head_forward": ("compute", "It computes the forward pass of its last part, and the loss."),
    "head_backward": ("compute", "It computes the backward pass of its last part."),
    "gradient_uplink": ("uplink", "It sends the gradient of the last part's input."),
    "importance_upload": ("uplink", "With pruning, a client sends the importance of its filters or weights."),
    "mask_broadcast": ("downlink", "With pruning, the access point sends the new masks."),
}

_KINDS = {
    "slow": (
        "state: the processor is slowed down",
        "relative speed; the product, if it has several causes",
        "",
    ),
    "offline": ("state: the device is offline", "", ""),
    "outage": ("state: the links of the device are interrupted", "", ""),
    "down": ("state: the server has failed", "", ""),
    "resent": ("a message was sent with repeated packets", "number of repeated bits", "phase"),
    "lost": ("a message was lost", "its size in bits", "phase"),
    "retry": ("a lost upload is sent again", "number of the attempt, from 1", "phase"),
    "deadline": (
        "a step of the round stopped waiting for clients",
        "number of clients that were on time",
        "",
    ),
    "left out": ("the round goes on without the client", "", "`late`, `offline`, `lost` or `battery`"),
}


def results_page() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for name, columns in COLUMNS.items():
        is_parquet = name in (INTERVALS.name, EVENTS.name, "memory")
        parts += [f"## {name}.{'parquet' if is_parquet else 'csv'}\n", f"{_ABOUT[name]}\n", _columns(columns)]
        if name == INTERVALS.name:
            phases = [(code(phase), code(lane), meaning) for phase, (lane, meaning) in _PHASES.items()]
            parts += ["### Phases\n", table(("phase", "lane", "activity"), phases)]
        if name == EVENTS.name:
            kinds = [(code(kind), *texts) for kind, texts in _KINDS.items()]
            parts += ["### Kinds of events\n", table(("kind", "meaning", "value", "detail"), kinds)]
    parts += [
        "## summary.json\n",
        _columns(SUMMARY_VALUES, "value"),
        "### Values of each scheme\n",
        _columns(SCHEME_VALUES, "value"),
        "`mpsl` also has:\n",
        _columns(CHAIN_VALUES, "value"),
        "`one_hop` also has:\n",
        _columns(ONE_HOP_VALUES, "value"),
    ]
    source = "`analysis/results/column_descriptions.py`"
    return generated_note(source) + "\n" + "\n".join(parts)


def _columns(columns: Mapping[str, Column], heading: str = "column") -> str:
    return table(
        (heading, "unit", "meaning"),
        [(code(name), column.unit, column.meaning) for name, column in columns.items()],
    )
