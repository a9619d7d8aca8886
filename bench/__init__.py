"""What runs in the process of a framework: workloads, protocol, reference, records. Never imports `harness`."""
