"""Support for the black-box tests: the real programs, raw SMTP and POP3 clients, certificates, metrics.

Only the standard library of Python 3.11 is used. Programs come from the folder in MAILSTEAD_BIN, by default
<repository>/build/bin.
"""
