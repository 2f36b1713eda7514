"""Pages and what their forms do: one blueprint for each subject."""
