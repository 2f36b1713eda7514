"""Decides who may: scopes of tokens, upload tickets, signed links, origins of pages."""
