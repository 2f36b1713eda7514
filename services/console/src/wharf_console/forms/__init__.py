"""The forms with their fields, labels and checks, one module for each subject."""
