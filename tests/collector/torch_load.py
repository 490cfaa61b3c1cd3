"""A torch model under load on the first GPU, told to the monitor by the probe as a program tells of its own model.

    python tests/collector/torch_load.py HOME MODEL PROCESS_NAME    # prints "ready"; the end of its input ends it

Each token is one pass through layers of 1.5 GiB of weights: as a language model decodes, without a library for one.
"""

from __future__ import annotations

import ctypes
import sys
import threading

import torch
from wirthforge_probe import Probe

LAYERS, WIDTH = 12, 8192  # of 2 bytes a weight


def main() -> None:
    home, model, name = sys.argv[1:]
    ctypes.CDLL(None).prctl(15, name.encode())  # PR_SET_NAME: what the process table calls it
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    layers = [torch.randn(WIDTH, WIDTH, device="cuda", dtype=torch.float16) / WIDTH**0.5 for _ in range(LAYERS)]
    state = torch.randn(64, WIDTH, device="cuda", dtype=torch.float16)
    probe = Probe(home=home)
    with torch.inference_mode(), probe.generation(model, runtime="torch") as answer:
        print("ready", flush=True)
        while not over.is_set():
            for _ in range(8):
                for layer in layers:
                    state = torch.nn.functional.layer_norm(state @ layer, (WIDTH,))
            torch.cuda.synchronize()
            answer.token()
        answer.finish("stop")
    probe.close()


if __name__ == "__main__":
    main()
