"""The proof that nothing in a training looks ahead: change what lies after a cut, and nothing before it may change."""
