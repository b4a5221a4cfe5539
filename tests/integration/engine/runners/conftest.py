from __future__ import annotations

from tests.integration.engine.runners.programs import private_folder, scripted

__all__ = ["private_folder", "scripted"]
