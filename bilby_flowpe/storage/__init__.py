"""Files on disk: folders written completely or not at all, evaluations of interrupted runs, digests and versions."""
