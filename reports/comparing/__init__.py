"""What several runs say: side by side, or merged into one."""
