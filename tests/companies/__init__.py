"""Small companies that tests are made on; nothing here tests anything."""
