"""The whole SDK, from outside: real processes, a real disk and real sockets against the sandbox."""
