"""The way out: which file is sent, and with which header fields."""
