"""A service of another party's that cosigns a log's checkpoints as long as the log only grows."""
