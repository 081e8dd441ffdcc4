"""noghost: language models that exist only when invoked."""

__version__ = "0.1.0"
