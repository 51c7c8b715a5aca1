"""Every method on every set of clips, in one run."""
