-- Everything that has an id is a document; the columns are what lists and checks look up.
-- parent is the network of a subnet, a port and a floating IP, and the group of a rule;
-- device is the device_id of a port, the router of a floating IP, the remote group of a rule.
-- reach: 0 the project's own, 1 seen by all (external), 2 used by all (shared).
CREATE TABLE network_objects (
  id {{key}} PRIMARY KEY,
  kind {{key}} NOT NULL,
  project {{key}} NOT NULL,
  parent {{key}} NOT NULL,
  device {{key}} NOT NULL,
  name {{key}} NOT NULL,
  reach {{int}} NOT NULL,
  doc {{text}} NOT NULL
){{table}};
CREATE INDEX network_objects_kind ON network_objects(kind, id);
CREATE INDEX network_objects_project ON network_objects(kind, project, id);
CREATE INDEX network_objects_parent ON network_objects(kind, parent, id);
CREATE INDEX network_objects_device ON network_objects(kind, device, id);
CREATE INDEX network_objects_name ON network_objects(kind, name, id);
-- What only one may have: an address of a subnet, a MAC of a network, ...
CREATE TABLE network_claims (
  scope {{key}} NOT NULL,
  item {{key}} NOT NULL,
  owner {{key}} NOT NULL,
  PRIMARY KEY (scope, item)
){{table}};
CREATE INDEX network_claims_owner ON network_claims(owner);
-- Where the search for a free address goes on.
CREATE TABLE network_cursors (subnet {{key}} PRIMARY KEY, address {{key}} NOT NULL){{table}};
CREATE TABLE network_revision (id {{int}} PRIMARY KEY, writes {{int}} NOT NULL, wired {{int}} NOT NULL){{table}};
INSERT INTO network_revision(id, writes, wired) VALUES (1, 0, 0);
CREATE TABLE network_quotas (
  project {{key}} NOT NULL,
  resource {{key}} NOT NULL,
  max {{int}} NOT NULL,
  PRIMARY KEY (project, resource)
){{table}};
CREATE TABLE network_agents (
  id {{key}} PRIMARY KEY,
  type {{key}} NOT NULL,
  host {{key}} NOT NULL,
  description {{text}} NOT NULL,
  admin_up {{int}} NOT NULL,
  created {{int}} NOT NULL,
  started {{int}} NOT NULL,
  heartbeat {{int}} NOT NULL
){{table}};
CREATE UNIQUE INDEX network_agents_who ON network_agents(type, host);
