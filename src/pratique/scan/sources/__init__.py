"""Where `pratique scan` takes images from: one module per kind of place, each giving `images.Image` values."""
