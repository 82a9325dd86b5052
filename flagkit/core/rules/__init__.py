"""The AppConfig rule language: text to tree to closures, and back to text."""
