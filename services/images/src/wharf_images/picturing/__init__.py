"""How a picture is made of a file's bytes: runs in the sandbox only, and knows nothing of it."""
