"""Turns: started, driven, kept."""
