"""Processes of voice: started by the service, each the parent of single-use ones that hear or speak."""
