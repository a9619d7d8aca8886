"""What PyTorch's strategies share: how the ranks meet, what they exchange, and the steps."""
