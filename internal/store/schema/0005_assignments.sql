-- What of a host's very own things (processors, memory pages, devices) each consumer has.
-- The provider is the host's root. Rows come and go in the transactions that make and free
-- the consumer's allocations. Who gives something out has locked the inventories of the host
-- first: of two claims on one host the later one reads what the earlier one took.
CREATE TABLE assignments (
	consumer_id {{key}} NOT NULL,
	provider_id {{key}} NOT NULL,
	doc {{text}} NOT NULL,
	PRIMARY KEY (consumer_id, provider_id)
){{table}};
CREATE INDEX assignments_by_provider ON assignments (provider_id);
