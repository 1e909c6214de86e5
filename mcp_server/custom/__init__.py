"""Tools that admins add while the server runs: a Python function, a description, and a JSON schema.

They are read when they are registered, and run in the sandbox only, each time that they are called.
"""
