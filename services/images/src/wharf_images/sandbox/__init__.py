"""The sandbox: makes each picture in a process that can only compute (ADR 51)."""
