"""What one scan found, in the forms that people and tools read: table, JSON, SARIF, CycloneDX."""
