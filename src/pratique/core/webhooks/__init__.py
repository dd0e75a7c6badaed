"""Webhooks: events pushed to addresses that people name, signed, in order, and without harm to anybody else."""
