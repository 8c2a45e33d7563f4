-- Images and layers. Digests are text as the OCI specification writes them
-- ("sha256:" and hex digits); a chain ID is the hex digits alone, because it
-- is the driver's layer id.

-- A row is written after the driver has committed the layer, and removed
-- before the driver removes it: a row without its layer would make a later
-- load skip it.
CREATE TABLE layer (
    chain_id TEXT PRIMARY KEY NOT NULL,
    -- Empty for a layer that no image has: one between an image and its
    -- containers.
    diff_id  TEXT NOT NULL,
    parent   TEXT REFERENCES layer (chain_id),
    -- Bytes of file content in its archive: what `history` and `images` count.
    size     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_parent ON layer (parent);

CREATE TABLE image (
    id      TEXT PRIMARY KEY NOT NULL,
    -- Byte for byte as it came: its digest is the id.
    config  BLOB NOT NULL,
    -- NULL for an image without layers.
    top     TEXT REFERENCES layer (chain_id),
    -- When it was first recorded here, and when it last got a name: seconds.
    loaded  INTEGER NOT NULL,
    tagged  INTEGER
) STRICT;
CREATE INDEX image_top ON image (top);

-- The manifests that an image came with, byte for byte.
CREATE TABLE manifest (
    digest     TEXT PRIMARY KEY NOT NULL,
    image      TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    content    BLOB NOT NULL
) STRICT;
CREATE INDEX manifest_image ON manifest (image);

-- A name of an image: repository in full ("docker.io/library/busybox") with a
-- tag, which belongs to one image at a time.
CREATE TABLE tag (
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_image ON tag (image);

-- A repository in which the image is known by a manifest's digest.
CREATE TABLE repo_digest (
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_digest_image ON repo_digest (image);

-- Work that may have left layers or drafts in the driver which no row names:
-- written before it begins, removed when it has ended well. What a crash
-- leaves here tells the next command on images to look.
CREATE TABLE unfinished (
    token TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
