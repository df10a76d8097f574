"""Tests of unusual homes: odd names, no write access, full disks, several hosts."""
