"""How a turn becomes a fresh process: in a local environment, in a container, in this interpreter."""
