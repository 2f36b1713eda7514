"""Groups of `wharf-auth`'s commands, one file each; `wharf_auth.cli` puts them together."""
