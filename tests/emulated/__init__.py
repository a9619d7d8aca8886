"""One emulated GPU host: the driver's libraries are stand-ins, and all else runs whole (decision 33)."""
