"""Runs in an instance: hearing and speaking, through an arena that it shares with one process of voice."""
