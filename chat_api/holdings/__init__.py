"""All that somebody has here: exporting it, and erasing it."""
