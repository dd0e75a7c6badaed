"""Tokens in the way of Microsoft Entra: discovery, grants of OAuth 2.0, device codes, proofs of clients."""
