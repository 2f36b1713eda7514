"""Keeps a service's listening sockets open while its container is replaced (ADR 37)."""
