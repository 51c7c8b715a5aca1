"""Beating hearts in the usual views."""
