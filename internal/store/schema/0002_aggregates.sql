-- Groups of hosts, and what is said of them. Their changes take turns by the row below.
CREATE TABLE aggregates (
	id {{key}} NOT NULL PRIMARY KEY,
	num {{int}} NOT NULL UNIQUE,
	name {{key}} NOT NULL UNIQUE,
	doc {{text}} NOT NULL
){{table}};
INSERT INTO counters(name, next) VALUES ('aggregates', 1);
