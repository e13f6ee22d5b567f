"""Accounts: who may sign in, with which password, and the tokens that prove it afterwards."""
