-- Servers that their users want together or apart. Who changes the members of a group, or
-- where they are, raises its gen first, and so takes turns.
CREATE TABLE server_groups (
	id {{key}} NOT NULL PRIMARY KEY,
	num {{int}} NOT NULL UNIQUE,
	project_id {{key}} NOT NULL,
	gen {{int}} NOT NULL,
	doc {{text}} NOT NULL
){{table}};
CREATE INDEX server_groups_by_project ON server_groups (project_id, num);

-- The host is where the scheduler has put a member, from before its claim on.
CREATE TABLE server_group_members (
	server_id {{key}} NOT NULL PRIMARY KEY,
	group_id {{key}} NOT NULL,
	user_id {{key}} NOT NULL,
	num {{int}} NOT NULL,
	host {{key}} NOT NULL
){{table}};
CREATE INDEX server_group_members_by_group ON server_group_members (group_id, num);
INSERT INTO counters(name, next) VALUES ('server_groups', 1);

-- Who held resources before consumers had types was a server.
UPDATE consumers SET type='INSTANCE' WHERE type='unknown' AND EXISTS (SELECT 1 FROM servers v WHERE v.id=consumers.id);
