"""Forms: fields, labels and checks; one module for each subject."""
