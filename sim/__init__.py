"""The event world: nodes, links, processors, the record of intervals."""
