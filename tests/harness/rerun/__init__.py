"""Tests of runs made again."""
