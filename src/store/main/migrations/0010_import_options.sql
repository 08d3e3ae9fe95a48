-- How the files of a source are read, where that is not left to detection.
ALTER TABLE sources ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
