"""A run made again from its folder alone: the same selection, settings and locks, on this host and with this code."""
