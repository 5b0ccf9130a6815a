"""Families of features: one file each, in which every measure is declared and computed."""
