"""A service with limits that the command line has not: 1 s for a request, a small context and a small body."""

from __future__ import annotations

from noghost.cli.serve import announce
from noghost.config import Config, Limits
from noghost.service import serve

if __name__ == "__main__":
    limits = Limits(request_s=1.0, body_bytes=256 * 1024)
    serve(Config(port=0, context_tokens=512, limits=limits), announce)
