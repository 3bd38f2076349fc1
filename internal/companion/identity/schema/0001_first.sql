CREATE TABLE identity_sequence (
  name {{key}} PRIMARY KEY,
  seq {{int}} NOT NULL
){{table}};

CREATE TABLE identity_key (
  id {{key}} PRIMARY KEY,
  secret {{text}} NOT NULL,
  made_at {{int}} NOT NULL
){{table}};

CREATE TABLE identity_domain (
  id {{key}} PRIMARY KEY,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  enabled {{int}} NOT NULL,
  options {{text}} NOT NULL,
  extra {{text}} NOT NULL,
  UNIQUE (name)
){{table}};

CREATE TABLE identity_project (
  id {{key}} PRIMARY KEY,
  domain_id {{key}} NOT NULL,
  parent_id {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  enabled {{int}} NOT NULL,
  tags {{text}} NOT NULL,
  options {{text}} NOT NULL,
  extra {{text}} NOT NULL,
  UNIQUE (domain_id, name)
){{table}};

CREATE TABLE identity_user (
  id {{key}} PRIMARY KEY,
  domain_id {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  default_project_id {{key}} NOT NULL,
  enabled {{int}} NOT NULL,
  password_hash {{text}} NOT NULL,
  options {{text}} NOT NULL,
  extra {{text}} NOT NULL,
  UNIQUE (domain_id, name)
){{table}};

CREATE TABLE identity_group (
  id {{key}} PRIMARY KEY,
  domain_id {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  extra {{text}} NOT NULL,
  UNIQUE (domain_id, name)
){{table}};

CREATE TABLE identity_member (
  group_id {{key}} NOT NULL,
  user_id {{key}} NOT NULL,
  PRIMARY KEY (group_id, user_id)
){{table}};

CREATE TABLE identity_role (
  id {{key}} PRIMARY KEY,
  domain_id {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  options {{text}} NOT NULL,
  extra {{text}} NOT NULL,
  UNIQUE (domain_id, name)
){{table}};

CREATE TABLE identity_implied (
  prior_id {{key}} NOT NULL,
  implied_id {{key}} NOT NULL,
  PRIMARY KEY (prior_id, implied_id)
){{table}};

-- id is a digest of the other columns: four long keys do not fit into an index of MySQL.
CREATE TABLE identity_assignment (
  id {{key}} PRIMARY KEY,
  role_id {{key}} NOT NULL,
  actor_kind {{key}} NOT NULL,
  actor_id {{key}} NOT NULL,
  target_kind {{key}} NOT NULL,
  target_id {{key}} NOT NULL,
  inherited {{int}} NOT NULL
){{table}};

CREATE TABLE identity_region (
  id {{key}} PRIMARY KEY,
  parent_region_id {{key}} NOT NULL,
  description {{text}} NOT NULL,
  extra {{text}} NOT NULL
){{table}};

CREATE TABLE identity_service (
  id {{key}} PRIMARY KEY,
  type {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  enabled {{int}} NOT NULL,
  extra {{text}} NOT NULL
){{table}};

CREATE TABLE identity_endpoint (
  id {{key}} PRIMARY KEY,
  service_id {{key}} NOT NULL,
  region_id {{key}} NOT NULL,
  interface {{key}} NOT NULL,
  url {{text}} NOT NULL,
  enabled {{int}} NOT NULL,
  extra {{text}} NOT NULL
){{table}};

CREATE TABLE identity_appcred (
  id {{key}} PRIMARY KEY,
  user_id {{key}} NOT NULL,
  project_id {{key}} NOT NULL,
  name {{key}} NOT NULL,
  description {{text}} NOT NULL,
  secret_hash {{text}} NOT NULL,
  unrestricted {{int}} NOT NULL,
  expires_at {{int}} NOT NULL,
  roles {{text}} NOT NULL,
  UNIQUE (user_id, name)
){{table}};

-- Tokens of the target that were issued at or before the sequence number are dead.
CREATE TABLE identity_revocation (
  kind {{key}} NOT NULL,
  target {{key}} NOT NULL,
  seq {{int}} NOT NULL,
  expires_at {{int}} NOT NULL,
  PRIMARY KEY (kind, target)
){{table}};
