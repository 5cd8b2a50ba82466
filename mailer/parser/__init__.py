"""Reads documents from outside in a process of its own, with limits of time, memory and size.

Whatever a document contains, only that process can spend too much time or memory on it. The process is then ended and
started again, and the service goes on. `parent` is the service's side, and `child` is the program that reads. The
service names the module that defines what can be read; this package knows nothing about articles.
"""
