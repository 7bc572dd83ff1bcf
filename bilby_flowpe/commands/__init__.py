"""What the commands of ``flowpe`` do."""
