"""What runs on the host: plan, launch, record, report. Never imports a framework."""
