"""Run a command under a seccomp filter that refuses ptrace, as many containers do.

python no_ptrace.py COMMAND…
"""

import errno
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import bpf

if __name__ == "__main__":
    bpf.install(bpf.ERRNO | errno.EPERM, "ptrace")
    os.execvp(sys.argv[1], sys.argv[1:])
