"""Makes a picture from a file's bytes; runs only in the sandbox but does not depend on it."""
