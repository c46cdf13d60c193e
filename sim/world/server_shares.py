"""The clients' shares of the server, where each client has a part of its processor for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...scenarios.schema.scenario import Server as ServerSection
from ..nodes.compute_node import ServerShare
from ..nodes.node import Node
from .wired_nodes import processor_of

__all__ = ["ServerShares"]


class ServerShares(list[ServerShare]):
    """The share of each row of a plan; a row keeps its node when its client changes.

    Parameters
    ----------
    server : Node
        The server that is shared.
    section : Server
        Its processor.
    add_name : callable
        Adds a name to the record, and returns its number.
    """

    def __init__(
        self,
        server: Node,
        section: ServerSection,
        add_name: Callable[[str], int],
    ) -> None:
        super().__init__()
        self._server = server
        self._section = section
        self._add_name = add_name

    def set_shares(self, shares: Sequence[float]) -> None:
        """Give each row this share of the server's processor, and create the nodes that are missing."""
        for row, share in enumerate(shares):
            if row == len(self):
                server = self._server
                self.append(
                    ServerShare(
                        server.env,
                        server.record,
                        self._add_name(f"server-{row}"),
                        share=float(share),
                        compute_capacity=server.compute_capacity,
                        **processor_of(self._section),
                    )
                )
            self[row].set_share(float(share))
