"""The page of the tools that admins add."""
