"""The run itself: the loop over the plan, its progress, and its end."""
