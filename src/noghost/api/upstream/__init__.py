"""Models that somebody else serves: the request goes on, the answer comes back. Runs in an instance."""
