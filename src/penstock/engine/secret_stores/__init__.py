"""Secrets kept elsewhere, a module a service: each reads one secret as text, where it is needed."""
