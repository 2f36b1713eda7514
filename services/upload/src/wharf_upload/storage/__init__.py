"""Where bytes live: a contract, a local-disk store, and one in memory."""
