"""Telling people and programs what happened: channels, words, and the outbox on its way."""

from __future__ import annotations
