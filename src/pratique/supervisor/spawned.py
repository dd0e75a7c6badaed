"""`python -m pratique.supervisor.spawned PARENT NAME MODULE`: run a module as a child that dies with its parent."""

import runpy
import sys

from pratique.supervisor.parent import die_with_parent, set_name


def main() -> None:
    parent, name, module = sys.argv[1:4]
    die_with_parent(int(parent))
    set_name(f"pratique-{name}")
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
