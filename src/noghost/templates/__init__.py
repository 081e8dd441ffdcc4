"""AT REST and in the warden: public prefixes, their texts and their KV states."""
