"""The build's hook: libquiescent, built by cargo, becomes a part of the wheel.

A wheel has no code of CPython's own, so one serves every version: py3-none-<platform>. It is built from the repository this
directory lies in, which needs Rust; QUIESCENT_LIBRARY names a library that is built already.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = {"win32": "quiescent.dll", "darwin": "libquiescent.dylib"}.get(sys.platform, "libquiescent.so")


def built(repository: str) -> str:
    """The path of the release build."""
    named = os.environ.get("QUIESCENT_LIBRARY")
    if named:
        return named
    if not os.path.exists(os.path.join(repository, "Cargo.toml")):
        raise RuntimeError("the package is built inside of Quiescent's repository: there is no Cargo.toml one directory up")
    if shutil.which("cargo") is None:
        raise RuntimeError("building libquiescent needs Rust: https://rustup.rs")
    command = ["cargo", "build", "--release", "--package", "quiescent", "--message-format=json-render-diagnostics"]
    messages = subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, check=True, text=True).stdout
    for message in map(json.loads, messages.splitlines()):
        for path in message.get("filenames") or ():
            if os.path.basename(path) == NAME:
                return str(path)
    raise RuntimeError(f"cargo built no {NAME}")


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        if version == "editable":
            # The library is named by QUIESCENT_LIBRARY then.
            return
        # A copy: the source tree stays as it is.
        self.copied_to = tempfile.mkdtemp()
        library = shutil.copy(os.path.realpath(built(os.path.dirname(self.root))), os.path.join(self.copied_to, NAME))
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][library] = f"quiescent/{NAME}"

    def finalize(self, version: str, build_data: Dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "copied_to"):
            shutil.rmtree(self.copied_to)
