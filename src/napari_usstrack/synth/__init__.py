"""Clips with exact motion."""
