CREATE TABLE images (
    id               {{key}} NOT NULL PRIMARY KEY,
    owner            {{key}} NOT NULL,
    name             {{key}},
    status           {{key}} NOT NULL,
    visibility       {{key}} NOT NULL,
    disk_format      {{key}} NOT NULL,
    container_format {{key}} NOT NULL,
    size             {{int}} NOT NULL,
    virtual_size     {{int}} NOT NULL,
    checksum         {{key}} NOT NULL,
    hash_value       {{key}} NOT NULL,
    min_disk         {{int}} NOT NULL,
    min_ram          {{int}} NOT NULL,
    protected        {{int}} NOT NULL,
    hidden           {{int}} NOT NULL,
    created_at       {{int}} NOT NULL,
    updated_at       {{int}} NOT NULL,
    tags             {{text}} NOT NULL,
    properties       {{text}} NOT NULL,
    generation       {{int}} NOT NULL
){{table}};
CREATE INDEX images_newest ON images (created_at, id);
CREATE INDEX images_name ON images (name);
CREATE INDEX images_owner ON images (owner);
CREATE INDEX images_status ON images (status);
CREATE TABLE image_members (
    image_id   {{key}} NOT NULL,
    member     {{key}} NOT NULL,
    status     {{key}} NOT NULL,
    created_at {{int}} NOT NULL,
    updated_at {{int}} NOT NULL,
    PRIMARY KEY (image_id, member)
){{table}};
CREATE INDEX image_members_member ON image_members (member);
