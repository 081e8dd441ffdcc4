"""A mouth for noghost by Piper: a program of its own, GPL-3.0-or-later as Piper is (see LICENSE-NOTE.md)."""
