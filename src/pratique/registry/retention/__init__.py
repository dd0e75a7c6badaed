"""Rules about which tags stay as they are."""
