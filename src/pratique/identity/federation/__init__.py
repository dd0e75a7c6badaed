"""Workloads that prove themselves with a token of somebody else: Kubernetes, GitHub, GitLab, any OpenID issuer."""
