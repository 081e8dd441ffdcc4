"""In the guest: the stock llama-server, as in tests/stock.py, on an address that the host reaches.

python stock_in_guest.py GGUF HOST PORT
"""

from __future__ import annotations

import signal
import sys

import xllamacpp

if __name__ == "__main__":
    gguf, host, port = sys.argv[1:]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = gguf
    parameters.n_ctx = 2048
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    parameters.hostnames = [host]
    parameters.port = int(port)
    server = xllamacpp.Server(parameters)
    print("listening on", server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM})
