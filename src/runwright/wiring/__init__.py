"""Settings -> running parts; the only package that knows adapters by name.

`process` starts a server; `machine` answers what the command line asks about this machine, and
is small: nobody who imports it waits until a server is loaded.
"""
