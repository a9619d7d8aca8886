"""A loop that is looked into, in every framework and form: what its products cost, and where a debugger stops."""
