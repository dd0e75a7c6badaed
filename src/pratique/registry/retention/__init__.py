"""Which tags stay: retention rules, immutability rules, and when something was last pulled."""
