-- What the API keeps.
CREATE TABLE flavors (
	id {{key}} NOT NULL PRIMARY KEY,
	name {{key}} NOT NULL UNIQUE,
	doc {{text}} NOT NULL
){{table}};

CREATE TABLE keypairs (
	user_id {{key}} NOT NULL,
	name {{key}} NOT NULL,
	doc {{text}} NOT NULL,
	PRIMARY KEY (user_id, name)
){{table}};

-- Blocks of numbers that processes take for themselves.
CREATE TABLE counters (
	name {{key}} NOT NULL PRIMARY KEY,
	next {{int}} NOT NULL
){{table}};

CREATE TABLE leases (
	name {{key}} NOT NULL PRIMARY KEY,
	owner {{key}} NOT NULL,
	fence {{int}} NOT NULL,
	until {{int}} NOT NULL
){{table}};

-- What a cell keeps.
CREATE TABLE servers (
	id {{key}} NOT NULL PRIMARY KEY,
	num {{int}} NOT NULL UNIQUE,
	project_id {{key}} NOT NULL,
	user_id {{key}} NOT NULL,
	host {{key}} NOT NULL,
	vm_state {{key}} NOT NULL,
	deleted {{int}} NOT NULL,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL,
	gen {{int}} NOT NULL,
	doc {{text}} NOT NULL
){{table}};
CREATE INDEX servers_by_project ON servers (project_id, deleted, created_at, num);
CREATE INDEX servers_by_age ON servers (deleted, created_at, num);
CREATE INDEX servers_by_host ON servers (host, deleted, created_at, num);
CREATE INDEX servers_by_change ON servers (updated_at);

-- What a project's living servers add up to, kept in the transactions that make and end
-- them.
CREATE TABLE usages (
	project_id {{key}} NOT NULL PRIMARY KEY,
	servers {{int}} NOT NULL,
	vcpus {{int}} NOT NULL,
	memory_mib {{int}} NOT NULL
){{table}};

CREATE TABLE sagas (
	id {{key}} NOT NULL PRIMARY KEY,
	saga {{key}} NOT NULL,
	subject {{key}} NOT NULL,
	phase {{key}} NOT NULL,
	step {{key}} NOT NULL,
	shard {{int}} NOT NULL,
	rev {{int}} NOT NULL,
	active {{int}} NOT NULL,
	cancel {{int}} NOT NULL,
	not_before {{int}} NOT NULL,
	deadline {{int}} NOT NULL,
	created_at {{int}} NOT NULL,
	updated_at {{int}} NOT NULL,
	request_id {{key}} NOT NULL,
	doc {{text}} NOT NULL
){{table}};
CREATE INDEX sagas_ready ON sagas (active, shard, not_before);
CREATE INDEX sagas_by_subject ON sagas (subject, created_at);
CREATE INDEX sagas_by_phase ON sagas (phase, created_at);

CREATE TABLE wishes (
	server_id {{key}} NOT NULL,
	host {{key}} NOT NULL,
	gen {{int}} NOT NULL,
	reached {{int}} NOT NULL,
	reached_at {{int}} NOT NULL,
	pending {{int}} NOT NULL,
	gone {{int}} NOT NULL,
	saga_id {{key}} NOT NULL,
	wish {{text}} NOT NULL,
	truth {{text}} NOT NULL,
	PRIMARY KEY (server_id, host)
){{table}};
CREATE INDEX wishes_by_host ON wishes (host, pending);

CREATE TABLE services (
	id {{key}} NOT NULL PRIMARY KEY,
	host {{key}} NOT NULL,
	binary_name {{key}} NOT NULL,
	seen_at {{int}} NOT NULL,
	doc {{text}} NOT NULL,
	UNIQUE (host, binary_name)
){{table}};

CREATE TABLE hypervisors (
	id {{key}} NOT NULL PRIMARY KEY,
	num {{int}} NOT NULL UNIQUE,
	host {{key}} NOT NULL,
	hostname {{key}} NOT NULL,
	doc {{text}} NOT NULL,
	UNIQUE (host, hostname)
){{table}};

-- What Placement keeps.
CREATE TABLE providers (
	id {{key}} NOT NULL PRIMARY KEY,
	name {{key}} NOT NULL UNIQUE,
	generation {{int}} NOT NULL,
	parent_id {{key}} NOT NULL,
	root_id {{key}} NOT NULL,
	traits {{text}} NOT NULL
){{table}};

CREATE TABLE inventories (
	provider_id {{key}} NOT NULL,
	class {{key}} NOT NULL,
	total {{int}} NOT NULL,
	reserved {{int}} NOT NULL,
	min_unit {{int}} NOT NULL,
	max_unit {{int}} NOT NULL,
	step_size {{int}} NOT NULL,
	ratio {{float}} NOT NULL,
	capacity {{int}} NOT NULL,
	used {{int}} NOT NULL,
	PRIMARY KEY (provider_id, class)
){{table}};

CREATE TABLE allocations (
	consumer_id {{key}} NOT NULL,
	provider_id {{key}} NOT NULL,
	class {{key}} NOT NULL,
	used {{int}} NOT NULL,
	PRIMARY KEY (consumer_id, provider_id, class)
){{table}};
CREATE INDEX allocations_by_provider ON allocations (provider_id);

CREATE TABLE consumers (
	id {{key}} NOT NULL PRIMARY KEY,
	project_id {{key}} NOT NULL,
	user_id {{key}} NOT NULL,
	generation {{int}} NOT NULL
){{table}};
CREATE INDEX consumers_by_project ON consumers (project_id, user_id);
