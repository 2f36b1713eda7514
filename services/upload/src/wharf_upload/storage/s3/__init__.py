"""Blobs on an object store that speaks S3; boto3 is imported in this room alone."""
