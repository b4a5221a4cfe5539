"""An Airbyte source that has nothing but the specification in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Answers `spec` with the file named first; knows nothing else."""
    file, command = sys.argv[1:3]
    if command != "spec":
        sys.stderr.write(f"no {command} here\n")
        return 1
    specification = json.loads(Path(file).read_text())
    spec = {"connectionSpecification": specification}
    sys.stdout.write(json.dumps({"type": "SPEC", "spec": spec}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
