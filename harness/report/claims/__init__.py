"""What talks, surveys and essays say of the frameworks, and what a run says about it."""
