"""LONG-LIVED, no content: traces every instance, wipes it at its end, checks the zeros, records it."""
