"""Each framework's hello world, as its own documentation would write it. They are read side by side, and counted."""
