-- From version 1 to 2: the longest trials are claimed first.

ALTER TABLE trials ADD COLUMN cost REAL NOT NULL DEFAULT 0;  -- operations of the whole trial; 0: not known
CREATE INDEX trials_to_do ON trials (status, cost);
