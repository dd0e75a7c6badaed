"""How a missing program or library is installed on this distribution."""

import os
import shutil

_TOOLS = ("apt-get", "dnf", "zypper", "apk")


def install_line(debian: str, fedora: str = "") -> str:
    """Return the command that installs a package here, with sudo where the user is not root."""
    tool = next((tool for tool in _TOOLS if shutil.which(tool)), "")
    if not tool:
        return f"install {debian}"
    name = debian if tool == "apt-get" else fedora or debian
    verb = "add" if tool == "apk" else "install"
    return f"{'' if os.geteuid() == 0 else 'sudo '}{tool} {verb} {name}"
