"""Measurements for the trend; nothing here gates."""
