-- Providers grow the columns by which readers follow their changes, and what the Placement
-- API shows. A table is made anew, since the three databases do not agree on how a column
-- without a default is added.
CREATE TABLE providers_new (
	id {{key}} NOT NULL PRIMARY KEY,
	name {{key}} NOT NULL UNIQUE,
	generation {{int}} NOT NULL,
	parent_id {{key}} NOT NULL,
	root_id {{key}} NOT NULL,
	shard {{int}} NOT NULL,
	seq {{int}} NOT NULL,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL,
	traits {{text}} NOT NULL,
	aggregates {{text}} NOT NULL
){{table}};
INSERT INTO providers_new(id, name, generation, parent_id, root_id, shard, seq, created_at, updated_at, traits, aggregates)
	SELECT id, name, generation, parent_id, root_id, 0, 1, 0, 0, traits, '' FROM providers;
DROP TABLE providers;
ALTER TABLE providers_new RENAME TO providers;
CREATE INDEX providers_by_change ON providers (shard, seq);
CREATE INDEX providers_by_parent ON providers (parent_id);
CREATE INDEX providers_by_root ON providers (root_id);

-- Old trees are spread by the first digit of their root: any shard serves, as long as a tree
-- has one.
UPDATE providers SET shard=1 WHERE root_id LIKE '1%';
UPDATE providers SET shard=2 WHERE root_id LIKE '2%';
UPDATE providers SET shard=3 WHERE root_id LIKE '3%';
UPDATE providers SET shard=4 WHERE root_id LIKE '4%';
UPDATE providers SET shard=5 WHERE root_id LIKE '5%';
UPDATE providers SET shard=6 WHERE root_id LIKE '6%';
UPDATE providers SET shard=7 WHERE root_id LIKE '7%';
UPDATE providers SET shard=8 WHERE root_id LIKE '8%';
UPDATE providers SET shard=9 WHERE root_id LIKE '9%';
UPDATE providers SET shard=10 WHERE root_id LIKE 'a%';
UPDATE providers SET shard=11 WHERE root_id LIKE 'b%';
UPDATE providers SET shard=12 WHERE root_id LIKE 'c%';
UPDATE providers SET shard=13 WHERE root_id LIKE 'd%';
UPDATE providers SET shard=14 WHERE root_id LIKE 'e%';
UPDATE providers SET shard=15 WHERE root_id LIKE 'f%';

-- The numbers of changes; pruned is the highest one whose tombstone may be gone.
CREATE TABLE placement_shards (
	shard {{int}} NOT NULL PRIMARY KEY,
	seq {{int}} NOT NULL,
	pruned {{int}} NOT NULL
){{table}};
INSERT INTO placement_shards(shard, seq, pruned) VALUES
	(0,1,0), (1,1,0), (2,1,0), (3,1,0), (4,1,0), (5,1,0), (6,1,0), (7,1,0),
	(8,1,0), (9,1,0), (10,1,0), (11,1,0), (12,1,0), (13,1,0), (14,1,0), (15,1,0),
	(16,1,0), (17,1,0), (18,1,0), (19,1,0), (20,1,0), (21,1,0), (22,1,0), (23,1,0),
	(24,1,0), (25,1,0), (26,1,0), (27,1,0), (28,1,0), (29,1,0), (30,1,0), (31,1,0),
	(32,1,0), (33,1,0), (34,1,0), (35,1,0), (36,1,0), (37,1,0), (38,1,0), (39,1,0),
	(40,1,0), (41,1,0), (42,1,0), (43,1,0), (44,1,0), (45,1,0), (46,1,0), (47,1,0),
	(48,1,0), (49,1,0), (50,1,0), (51,1,0), (52,1,0), (53,1,0), (54,1,0), (55,1,0),
	(56,1,0), (57,1,0), (58,1,0), (59,1,0), (60,1,0), (61,1,0), (62,1,0), (63,1,0);

-- Providers that were deleted.
CREATE TABLE provider_tombs (
	shard {{int}} NOT NULL,
	seq {{int}} NOT NULL,
	provider_id {{key}} NOT NULL,
	deleted_at {{int}} NOT NULL,
	PRIMARY KEY (shard, seq, provider_id)
){{table}};
CREATE INDEX provider_tombs_by_age ON provider_tombs (deleted_at);

-- Custom ones only; the standard ones are in the program.
CREATE TABLE resource_classes (
	name {{key}} NOT NULL PRIMARY KEY,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL
){{table}};
CREATE TABLE traits (
	name {{key}} NOT NULL PRIMARY KEY,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL
){{table}};

ALTER TABLE inventories ADD COLUMN updated_at {{int}} NOT NULL DEFAULT 0;

-- Whoever has held something until now is a server.
CREATE TABLE consumers_new (
	id {{key}} NOT NULL PRIMARY KEY,
	project_id {{key}} NOT NULL,
	user_id {{key}} NOT NULL,
	type {{key}} NOT NULL,
	generation {{int}} NOT NULL,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL
){{table}};
INSERT INTO consumers_new(id, project_id, user_id, type, generation, created_at, updated_at)
	SELECT id, project_id, user_id, 'INSTANCE', generation, 0, 0 FROM consumers;
DROP TABLE consumers;
ALTER TABLE consumers_new RENAME TO consumers;
CREATE INDEX consumers_by_project ON consumers (project_id, user_id);
