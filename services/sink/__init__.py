"""The sink: what stands in for the mail server and the SMS provider when the house runs on one machine.

It is no part of the system. It takes what the notify service sends exactly as the real ones would, keeps it in the data
folder, and shows it on a page, so that one can read on screen what a resident would have read on a phone.
"""
