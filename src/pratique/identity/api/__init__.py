"""The management API of identity, one module per resource; `identity.routes` joins them."""
