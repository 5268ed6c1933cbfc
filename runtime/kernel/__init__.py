"""Questions to the Linux kernel and nothing else: system calls, namespaces, /proc. No pytest, no lab in here."""
