"""llama-cpp-python's server, as its own command runs it, that ends when whoever started it is gone.

Run by the Python of demo.runtime. Its input is a pipe that its starter holds: its end, also by a kill -9, ends it.
"""

from __future__ import annotations

import os
import sys
import threading

from llama_cpp.server.__main__ import main  # type: ignore[import-not-found]  # in the runtime's venv alone


def end_with_starter() -> None:
    """Wait for the end of the input, then go; nothing is left to be tidied."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_starter, daemon=True).start()
    main()
