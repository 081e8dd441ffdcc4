"""A mouth for noghost by espeak-ng: a program of its own, GPL-3.0-or-later as that is (see LICENSE-NOTE.md)."""
