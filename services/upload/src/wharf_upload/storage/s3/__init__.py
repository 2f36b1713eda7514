"""Blobs on an object store that speaks S3; only this package imports boto3."""
