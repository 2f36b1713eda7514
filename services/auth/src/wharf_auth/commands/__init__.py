"""The commands of `wharf-auth`, one module for each group; `wharf_auth.cli` imports them."""
