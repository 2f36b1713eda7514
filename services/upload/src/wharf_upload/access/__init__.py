"""Decides which caller may do which action: scopes, grants, upload tickets, links, origins."""
