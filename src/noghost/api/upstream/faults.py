"""What can go wrong with an upstream, as errors of ours. In an instance.

Covered: of what the provider says of an error only its status counts, and a number of seconds to wait: its words may
repeat the prompt, or be a page of its own.
Not covered: an answer of the provider that is one.
"""

from __future__ import annotations

import re

from noghost.errors import RequestError

SECONDS = re.compile(r"[0-9]{1,6}")
DEFAULT_WAIT_S = "1"  # as errors.py has it for our own


class UpstreamError(RequestError):
    """The provider gave no answer. `wait_s`: when to come again, where it is not to be asked too often."""

    def __init__(self, message: str, status: int, code: str, wait_s: str | None = None) -> None:
        super().__init__(message, status=status, code=code)
        self.wait_s = wait_s


def unreadable() -> UpstreamError:
    """What came is not what its API promises."""
    return UpstreamError("the provider's answer cannot be read", 502, "upstream_invalid")


def broken() -> UpstreamError:
    """The connection ended before the answer was whole."""
    return UpstreamError("the provider's answer broke off; it is not whole", 502, "upstream_broken")


def untrusted() -> UpstreamError:
    """Who answered cannot show that it is the configured host. Nothing was sent to it."""
    message = "who answers in the provider's place has no certificate that this service trusts; nothing was sent there"
    return UpstreamError(message, 502, "upstream_untrusted")


def filtered() -> UpstreamError:
    """It does not let its own answer through."""
    return UpstreamError("the provider withholds this answer (content_filter)", 502, "upstream_filtered")


def silent() -> UpstreamError:
    """It said nothing for too long."""
    return UpstreamError("the provider said nothing for too long", 504, "upstream_timeout")


def refused(status: int, wait: str | None = None) -> UpstreamError:
    """The error for a status of the provider's; `wait` is its Retry-After."""
    match status:
        case 401 | 402 | 403:
            message = (
                f"the provider does not let this service in ({status}): its operator has to see to key and account"
            )
            return UpstreamError(message, 502, "upstream_not_allowed")
        case 429:
            wait_s = wait if wait and SECONDS.fullmatch(wait) else DEFAULT_WAIT_S
            return UpstreamError(
                "the provider has too many requests (429); come back later", 429, "upstream_busy", wait_s
            )
        case 404:
            message = "the provider has nobody who serves this model on these terms (404)"
            return UpstreamError(message, 502, "upstream_no_endpoint")
        case 408 | 504:
            return silent()
        case _ if 400 <= status < 500:
            return UpstreamError(f"the provider refuses this request as it stands ({status})", 400, "upstream_refused")
        case _:
            return UpstreamError(f"the provider failed ({status})", 502, "upstream_failed")
