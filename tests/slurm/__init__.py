"""Tests on a real Slurm of two hosts on this machine (marker "slurm")."""
