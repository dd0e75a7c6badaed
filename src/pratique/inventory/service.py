"""The inventory's front: bytes of layers in, what an image holds out. Pure: no database, no network.

`read_layer` parses foreign bytes in the calling process. A server and the command line call it through
`pratique.scan.child.ReaderPool`, which does the same in a child without database, network or keys.
"""

from pratique.inventory.layer import read_layer
from pratique.inventory.merge import merge

__all__ = ["merge", "read_layer"]
