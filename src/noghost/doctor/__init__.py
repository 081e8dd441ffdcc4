"""Whether this host can keep each promise, and why not: checks as data, what they read, what they try."""
