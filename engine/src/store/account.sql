-- What a layer, and a container that has ended, holds by itself as the driver
-- counts it: lengths of files, and inodes. NULL until it was counted.
ALTER TABLE layer ADD COLUMN content INTEGER;
ALTER TABLE layer ADD COLUMN inodes INTEGER;
ALTER TABLE container ADD COLUMN content INTEGER;
ALTER TABLE container ADD COLUMN inodes INTEGER;
CREATE INDEX layer_uncounted ON layer (chain_id) WHERE content IS NULL;

-- Images ('image') and containers ('container') whose copies beside the
-- database have to be written again, or deleted, before the transaction ends:
-- between two transactions it is empty. The triggers ask first what is there:
-- OR IGNORE in a trigger means nothing beneath a statement that has an ON
-- CONFLICT of its own.
CREATE TABLE copy_due (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER image_made AFTER INSERT ON image BEGIN
    INSERT INTO copy_due SELECT 'image', new.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.id);
END;
CREATE TRIGGER image_changed AFTER UPDATE OF config, top, tagged ON image BEGIN
    INSERT INTO copy_due SELECT 'image', new.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.id);
END;
CREATE TRIGGER image_gone AFTER DELETE ON image BEGIN
    INSERT INTO copy_due SELECT 'image', old.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = old.id);
END;
CREATE TRIGGER manifest_made AFTER INSERT ON manifest BEGIN
    INSERT INTO copy_due SELECT 'image', new.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.image);
END;
CREATE TRIGGER tag_made AFTER INSERT ON tag BEGIN
    INSERT INTO copy_due SELECT 'image', new.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.image);
END;
CREATE TRIGGER tag_moved AFTER UPDATE ON tag BEGIN
    INSERT INTO copy_due SELECT 'image', old.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = old.image);
    INSERT INTO copy_due SELECT 'image', new.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.image);
END;
CREATE TRIGGER tag_gone AFTER DELETE ON tag BEGIN
    INSERT INTO copy_due SELECT 'image', old.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = old.image);
END;
CREATE TRIGGER repo_digest_made AFTER INSERT ON repo_digest BEGIN
    INSERT INTO copy_due SELECT 'image', new.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.image);
END;
CREATE TRIGGER repo_digest_moved AFTER UPDATE ON repo_digest BEGIN
    INSERT INTO copy_due SELECT 'image', old.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = old.image);
    INSERT INTO copy_due SELECT 'image', new.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = new.image);
END;
CREATE TRIGGER repo_digest_gone AFTER DELETE ON repo_digest BEGIN
    INSERT INTO copy_due SELECT 'image', old.image
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'image' AND id = old.image);
END;
CREATE TRIGGER container_made AFTER INSERT ON container BEGIN
    INSERT INTO copy_due SELECT 'container', new.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'container' AND id = new.id);
END;
CREATE TRIGGER container_changed AFTER UPDATE OF name, image, base, state, record ON container BEGIN
    INSERT INTO copy_due SELECT 'container', new.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'container' AND id = new.id);
END;
CREATE TRIGGER container_gone AFTER DELETE ON container BEGIN
    INSERT INTO copy_due SELECT 'container', old.id
        WHERE NOT EXISTS (SELECT 1 FROM copy_due WHERE kind = 'container' AND id = old.id);
END;

-- What was there before has no copies yet.
INSERT INTO copy_due SELECT 'image', id FROM image;
INSERT INTO copy_due SELECT 'container', id FROM container;
