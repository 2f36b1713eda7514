"""Makes a picture from a file's bytes.

Only the sandboxed child of the zygote decodes files with it, but this package imports no code of
the package `sandbox`.
"""
