"""Checks permissions: scopes of tokens, upload tickets, signed links, origins of web pages."""
