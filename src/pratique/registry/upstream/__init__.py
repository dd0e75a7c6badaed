"""Other registries: asked as a client, cached under a prefix of this one, imported from."""
