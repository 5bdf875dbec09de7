-- Version 1 of the store (docs/store.md). Later versions are migrations beside this file.

CREATE TABLE trials (
  id        TEXT PRIMARY KEY,                    -- TrialSpec::id()
  spec      TEXT NOT NULL,                       -- JSON, all defaults written
  status    TEXT NOT NULL DEFAULT 'pending'
            CHECK (status IN ('pending', 'running', 'done', 'diverged', 'failed')),
  worker    TEXT,                                -- who runs it, iff running
  heartbeat INTEGER,                             -- seconds since 1970, iff running
  result    TEXT NOT NULL DEFAULT '{}',          -- JSON, once done or diverged
  error     TEXT NOT NULL DEFAULT '',            -- text, iff failed
  created   INTEGER NOT NULL                     -- seconds since 1970
) WITHOUT ROWID;

CREATE TABLE experiments (
  id      INTEGER PRIMARY KEY,
  name    TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL
);

CREATE TABLE members (
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  trial      TEXT NOT NULL REFERENCES trials (id),
  position   INTEGER NOT NULL,                   -- order of enqueueing, from 0
  PRIMARY KEY (experiment, trial)
) WITHOUT ROWID;
CREATE UNIQUE INDEX members_in_order ON members (experiment, position);

CREATE TABLE points (
  trial TEXT NOT NULL REFERENCES trials (id),
  step  INTEGER NOT NULL,
  point TEXT NOT NULL,                           -- JSON of CurvePoint
  PRIMARY KEY (trial, step)
) WITHOUT ROWID;

CREATE TABLE findings (
  id         INTEGER PRIMARY KEY,                -- order of the first put
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  finding    TEXT NOT NULL,                      -- JSON
  UNIQUE (experiment, kind, name)
);
