"""Standard output and standard error that never end the work of a command."""

import errno
import io
import os
import sys


class _Output(io.FileIO):
    """A file that drops what it cannot write. `error` is the reason, if it is not that the reader has ended."""

    error: OSError | None = None

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.error = error
            return memoryview(data).nbytes


_outputs: dict[str, _Output] = {}


def protect_output() -> None:
    """Makes printing safe: the results of hours must not be lost because a line cannot be printed.

    - Characters that the encoding lacks are printed as escapes.
    - If the reader ends early (`vjax ... | head`), the rest is dropped. The work continues.
    - A full disk is reported at the end, see `output_error`.

    Streams that someone has replaced are only made to escape, if they can. Later calls do nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as with `2>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="replace"))  # noqa: SIM115
        elif stream is getattr(sys, f"__{name}__"):
            stream.flush()
            raw = _outputs[name] = _Output(stream.fileno(), "w", closefd=False)
            buffer = raw if stream.write_through else io.BufferedWriter(raw)
            how = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
            setattr(sys, name, io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", **how))
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def output_error() -> OSError | None:
    """Prints what is still buffered. Returns why standard output is incomplete, or None.

    It is not an error if the reader ended early.
    """
    sys.stdout.flush()
    return _outputs["stdout"].error if "stdout" in _outputs else None
