"""Neural architecture search in which an architecture is a recursion formula; `formulanas.api` has the functions."""
