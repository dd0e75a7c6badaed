"""Scope maps and tokens of repositories, in the form of Azure Container Registry."""
