from __future__ import annotations

from tests.integration.engine.runners.programs import private_folder, scripted, without_registry

__all__ = ["private_folder", "scripted", "without_registry"]
