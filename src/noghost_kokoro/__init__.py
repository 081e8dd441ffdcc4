"""A mouth for noghost by Kokoro: a program of its own, GPL-3.0-or-later as espeak-ng is (see LICENSE-NOTE.md)."""
