"""Reads documents from outside in a process of its own, with limits of time, memory and size.

Whatever a document holds, only that process can be busy with it for too long. It is then ended and started again, and
the service goes on. `parent` is the side of the service, `child` the program that reads. What can be read is defined by
the module whose name the service gives; this package knows nothing about articles.
"""
