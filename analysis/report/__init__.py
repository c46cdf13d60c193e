"""One HTML page about a run or a sweep, with charts to zoom, filter and point at. It needs no network."""
