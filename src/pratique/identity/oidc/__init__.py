"""Sign-in of people through OpenID Connect providers."""
