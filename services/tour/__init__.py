"""A guided tour of a running system, and the proof that it works: every step is asked, shown and checked.

What this package promises:
- it is a client like any other: it knows the public API of the two services and nothing of their insides;
- it invents everybody it signs in, and sends nothing to a real telephone or mailbox: it runs only where text messages
  and mail end in the system's own sink;
- it may be run as often as one likes on one system: each run brings new people;
- what it says happened was answered by the system in this very run; where an answer is not what it must be, the tour
  stops, says which step failed and what to do, and ends with exit code 1.
"""
