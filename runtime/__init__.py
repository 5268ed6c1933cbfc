"""What the labs are built from: `kernel` asks the kernel, `container` builds containers, `lab` makes lessons."""
