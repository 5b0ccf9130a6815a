"""One file a tool: its objects, its login, and how the pages of each object are fetched."""
