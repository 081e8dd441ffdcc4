"""AT REST: API keys as salted hashes. Made by the command line, loaded in the warden, checked in an instance."""
