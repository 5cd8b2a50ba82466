"""khabarnameh: a weekly digest of a newsroom's top stories, by mail, right to left."""
