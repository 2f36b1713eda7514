"""The examples and the guide of the OpenAPI document, imported when the document is built."""
