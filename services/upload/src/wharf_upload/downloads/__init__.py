"""Downloads: which file is sent, and with which header fields."""
