"""The only room that knows Faust: one message per fetched chunk, one transaction per partition and batch."""
