"""The process tree: supervisor, key process, and API and worker forked from one preloaded process.

The supervisor itself imports almost nothing, so that it stays small and has little that can fail.
"""
