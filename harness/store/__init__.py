"""A run on disk: its folder, its facts, its samples; read, written, resumed."""
