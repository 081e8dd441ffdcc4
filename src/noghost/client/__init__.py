"""THE CALLER'S SIDE: what a person who does not trust the service runs against it."""
