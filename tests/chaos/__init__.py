"""A cluster that is hurt at random while clients use it, and the proof that nothing was lost or doubled."""
