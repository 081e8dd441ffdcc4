"""Runs in an instance: the OpenAI-compatible HTTP API."""
