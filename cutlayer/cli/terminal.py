"""Standard output and standard error that no closed pipe and no encoding can turn into an error."""

from __future__ import annotations

import errno
import io
import sys
from typing import IO, Any, TextIO

__all__ = ["TolerantOutput", "tolerate_output_errors"]

_NO_READER = (errno.EPIPE, errno.EIO)  # the pipe is closed, or the terminal is gone


class TolerantOutput(io.RawIOBase):
    """A stream that passes bytes on, until an error of the operating system; later bytes are dropped.

    Parameters
    ----------
    raw : file object
        The unbuffered stream that receives the bytes.

    Attributes
    ----------
    error : OSError or None
        The error after which bytes are dropped.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self.error: OSError | None = None

    def write(self, data: Any) -> int | None:
        """Write bytes, and return their number."""
        if self.error is None:
            try:
                written: int | None = self._raw.write(data)
                return written
            except OSError as error:
                self.error = error
        return len(data)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return bool(self._raw.isatty())

    @property
    def is_incomplete(self) -> bool:
        """Return whether bytes are lost that a reader still wants, for example because a disk is full."""
        return self.error is not None and self.error.errno not in _NO_READER


def tolerate_output_errors() -> TolerantOutput | None:
    """Replace standard output and standard error by streams that never raise an error.

    A character that the encoding lacks appears as a question mark. Without a reader, for example after
    ``| head -1``, nothing appears.

    Returns
    -------
    TolerantOutput or None
        The stream below standard output; None if the process has no standard output.
    """
    sys.stderr = _tolerant(sys.stderr)[0]
    sys.stdout, output = _tolerant(sys.stdout)
    return output


def _tolerant(stream: TextIO) -> tuple[TextIO, TolerantOutput | None]:
    """Return a tolerant stream with the encoding of this one, and the stream of bytes below it."""
    buffer: IO[bytes] | None = getattr(stream, "buffer", None)
    if buffer is None:  # the process was started without the stream, or something else has replaced it
        return stream, None
    output = TolerantOutput(getattr(buffer, "raw", buffer))
    buffered: Any = io.BufferedWriter(output)
    text = io.TextIOWrapper(buffered, encoding=stream.encoding, errors="replace", line_buffering=True)
    return text, output
