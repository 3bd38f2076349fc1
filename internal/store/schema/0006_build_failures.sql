-- Builds that failed on a host since the last that did not.
CREATE TABLE build_failures (
	host {{key}} NOT NULL,
	server_id {{key}} NOT NULL,
	PRIMARY KEY (host, server_id)
){{table}};
