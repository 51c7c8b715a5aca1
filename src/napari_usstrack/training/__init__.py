"""Training of networks on clips whose motion is known."""
