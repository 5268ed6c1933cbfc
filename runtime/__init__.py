"""What the labs are built from: `kernel` asks the kernel, `lab` makes lessons."""
