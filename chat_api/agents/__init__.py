"""Assistants: what a model is told to be."""
