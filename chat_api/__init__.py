"""A stateless chat backend: an authenticated turn in, an answer out, everything in Postgres."""
