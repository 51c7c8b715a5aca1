"""Muscle, tendon, vessel and free tissue in front of a probe."""
