"""The measurement protocol: one timed replicate, from the cold first step to the last gate."""
