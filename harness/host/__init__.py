"""What this computer is: processors, memory, GPUs."""
