-- +goose Up

-- The numbers of changes of hosts: of their nova-compute services and their hypervisors, but
-- not of signs of life.
CREATE TABLE host_shards (
	shard {{int}} NOT NULL PRIMARY KEY,
	seq {{int}} NOT NULL
){{table}};
INSERT INTO host_shards(shard, seq) SELECT shard, 1 FROM placement_shards;

-- The last change of each host. One that is gone stays: that is how others hear of it.
CREATE TABLE host_changes (
	host {{key}} NOT NULL PRIMARY KEY,
	shard {{int}} NOT NULL,
	seq {{int}} NOT NULL
){{table}};
CREATE INDEX host_changes_by_seq ON host_changes (shard, seq);

-- Grows with every change of an aggregate.
INSERT INTO counters(name, next) VALUES ('aggregate_changes', 1);
