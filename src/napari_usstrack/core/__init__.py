"""Data objects and protocols; numpy and the standard library only."""
