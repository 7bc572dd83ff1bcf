"""What is kept on disk: folders written whole or not at all, what an interrupted run had paid for, digests and versions."""
