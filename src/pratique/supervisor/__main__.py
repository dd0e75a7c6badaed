"""`python -m pratique.supervisor KEY=VALUE …`: what `pratique up` starts."""

import sys

from pratique.supervisor.launch import Launch
from pratique.supervisor.supervise import supervise

sys.exit(supervise(Launch.parse(sys.argv[1:])))
