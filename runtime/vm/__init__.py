"""The lab VM as the host sees it: finding the machine, running pytest inside by ssh, bringing the reports back.

Nothing here needs more than Python's standard library, on any host: no fcntl, termios or pwd.
"""
