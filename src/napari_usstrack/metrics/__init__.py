"""How good tracks are: against a truth, against themselves, against each other."""
