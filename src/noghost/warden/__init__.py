"""LONG-LIVED, no content: listens, accepts, forks."""
