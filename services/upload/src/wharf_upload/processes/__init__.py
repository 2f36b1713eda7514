"""The processes of the service. They compose; no other room imports them."""
