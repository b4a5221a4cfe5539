"""The control plane's memory: `Store` opens it, a module a subject asks it."""

from __future__ import annotations

from penstock.control.store.database import Store, Transaction
from penstock.control.store.rows import Page, Window

__all__ = ["Page", "Store", "Transaction", "Window"]
