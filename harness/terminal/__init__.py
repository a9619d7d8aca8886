"""What a person reads and types: safe streams, errors in one sentence, commands to be pasted."""
