"""A file of requests in, a file of answers out, each line an invocation of its own; on one node or on many. On the
caller's side."""
