"""Copies of images, made by the server: from other registries, or between repositories of this one."""
