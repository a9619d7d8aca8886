"""What a framework is installed into: locks, interpreters, virtual environments, the checkout."""
