"""SINGLE-USE: the process forked for one invocation, the only place where content ever is."""
