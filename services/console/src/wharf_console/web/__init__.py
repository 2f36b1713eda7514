"""What all pages have: who may see them, checks of requests, headers, words, errors, filters."""
