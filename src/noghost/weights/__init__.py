"""AT REST: finding and checking the files of a model."""
