"""Signatures of the Notary Project: envelopes, trust policy and trust store (specification 1.0). Pure."""
