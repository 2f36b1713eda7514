"""Lists, describes, changes and deletes what tenants have stored: buckets, files and links."""
