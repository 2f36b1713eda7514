"""The storage of bytes: the contract of stores, and stores on disk, on S3 and in memory."""
