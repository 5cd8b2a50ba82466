"""khabarnameh: a weekly newsletter that mails a newsroom's top stories, written from right to left."""
