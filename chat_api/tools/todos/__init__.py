"""The user's todos, which the tool server keeps."""
