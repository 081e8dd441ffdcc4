"""The same question to several instances, and how far their answers agree. On the caller's side."""
