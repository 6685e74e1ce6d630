"""The human proctor's console: a person looks at what was noted, and says what they see."""
