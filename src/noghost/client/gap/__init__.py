"""The time in which nothing existed: told from a transcript or from the ledger, and drawn. On the caller's side."""
