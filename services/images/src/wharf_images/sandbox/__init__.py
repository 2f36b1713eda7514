"""The sandbox: each picture is made in a process that can do nothing but compute (ADR 51)."""
