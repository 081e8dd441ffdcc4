"""A conversation in a terminal: what is said, where it is kept, how it looks.

`session.py` and `branch.py` hold the conversation and know no terminal; `editor.py` (prompt_toolkit) and `screen.py`
(rich) are the terminal, imported by `terminal.py` alone, and that only where there is one.
"""
