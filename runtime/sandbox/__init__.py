"""The sandbox: pytest runs itself again in namespaces of its own, and a keeper clears up."""
