"""What runs beside a framework: the workloads, the protocol, the proofs. Never imports `harness`."""
