-- Containers. `base` is a reference on purpose: it is what keeps an image's
-- layers while a container stands on them. The image's own row may go (rmi -f),
-- so `image` is not one.
CREATE TABLE container (
    id      TEXT PRIMARY KEY NOT NULL,
    name    TEXT NOT NULL UNIQUE,
    image   TEXT NOT NULL,
    -- NULL where the image has no layers.
    base    TEXT REFERENCES layer (chain_id),
    -- 'created', 'running' or 'exited'; rmi refuses an image that one in state
    -- 'running' uses, even by force.
    state   TEXT NOT NULL,
    -- Nanoseconds since 1970.
    created INTEGER NOT NULL,
    -- The rest, as JSON.
    record  TEXT NOT NULL
) STRICT;
CREATE INDEX container_image ON container (image);
CREATE INDEX container_base ON container (base);
