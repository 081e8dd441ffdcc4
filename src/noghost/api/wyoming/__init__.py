"""Wyoming's events in the place of HTTP: Home Assistant's protocol for hearing, answering, speaking. In an instance."""
