"""What both services stand on: Postgres, tokens, errors, ids. No product words."""
