"""Whether a transcript is what was said: every turn against the receipts in it. On the caller's side, offline."""

from noghost.client.verification.evidence import Trust
from noghost.client.verification.repeat import repeat
from noghost.client.verification.rows import Account, Row, account_of

__all__ = ["Account", "Row", "Trust", "account_of", "repeat"]
