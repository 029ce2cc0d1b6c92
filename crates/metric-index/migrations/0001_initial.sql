-- Times are microseconds since 1970, spans nanoseconds. Texts compare by their bytes.

CREATE TABLE archive_policy (
    name {text} PRIMARY KEY NOT NULL,
    back_window {integer} NOT NULL,
    -- JSON: a list of granularity, points, timespan, in the order in which they were given.
    definition {text} NOT NULL,
    -- JSON: a list of names.
    aggregation_methods {text} NOT NULL
) {strict};

CREATE TABLE archive_policy_rule (
    name {text} PRIMARY KEY NOT NULL,
    archive_policy_name {text} NOT NULL REFERENCES archive_policy (name) ON DELETE RESTRICT,
    metric_pattern {text} NOT NULL
) {strict};

CREATE INDEX archive_policy_rule_policy ON archive_policy_rule (archive_policy_name);

-- A type's attributes have columns in tables of its own, rt_NUMBER and rt_NUMBER_history; their names, which users
-- choose, never become part of SQL: columns are a1, a2, ….
CREATE TABLE resource_type (
    name {text} PRIMARY KEY NOT NULL,
    number {integer} NOT NULL UNIQUE,
    -- JSON: a list of attributes with the numbers of their columns.
    attributes {text} NOT NULL,
    -- The number of the next column; a number is never used again.
    next_column {integer} NOT NULL,
    state {text} NOT NULL
) {strict};

INSERT INTO resource_type (name, number, attributes, next_column, state) VALUES ('generic', 0, '[]', 1, 'active');

CREATE TABLE resource (
    id {uuid} PRIMARY KEY NOT NULL,
    type {text} NOT NULL REFERENCES resource_type (name) ON DELETE RESTRICT,
    creator {text},
    -- What stands behind the creator's last colon, or a colon when there is none: finds what ends with ':PROJECT'.
    creator_project {text},
    started_at {integer} NOT NULL,
    revision_start {integer} NOT NULL,
    ended_at {integer},
    user_id {text},
    project_id {text},
    original_resource_id {text} NOT NULL,
    CHECK (started_at <= ended_at)
) {strict};

CREATE INDEX resource_type_name ON resource (type);
CREATE INDEX resource_creator ON resource (creator);
CREATE INDEX resource_creator_project ON resource (creator_project);
CREATE INDEX resource_started_at ON resource (started_at);
-- The order of a listing that does not ask for another.
CREATE INDEX resource_revision_start ON resource (revision_start, started_at, id);
CREATE INDEX resource_ended_at ON resource (ended_at);
CREATE INDEX resource_user ON resource (user_id);
CREATE INDEX resource_project ON resource (project_id);
CREATE INDEX resource_original ON resource (original_resource_id);

CREATE TABLE resource_history (
    revision {serial},
    id {uuid} NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
    revision_end {integer} NOT NULL,
    type {text} NOT NULL REFERENCES resource_type (name) ON DELETE RESTRICT,
    creator {text},
    creator_project {text},
    started_at {integer} NOT NULL,
    revision_start {integer} NOT NULL,
    ended_at {integer},
    user_id {text},
    project_id {text},
    original_resource_id {text} NOT NULL,
    CHECK (started_at <= ended_at)
) {strict};

CREATE INDEX resource_history_id ON resource_history (id, revision_start);
CREATE INDEX resource_history_type ON resource_history (type);
CREATE INDEX resource_history_creator_project ON resource_history (creator_project);
CREATE INDEX resource_history_revision_start ON resource_history (revision_start, started_at, id);
CREATE INDEX resource_history_revision_end ON resource_history (revision_end);
CREATE INDEX resource_history_user ON resource_history (user_id);
CREATE INDEX resource_history_project ON resource_history (project_id);
CREATE INDEX resource_history_original ON resource_history (original_resource_id);

CREATE TABLE metric (
    id {uuid} PRIMARY KEY NOT NULL,
    archive_policy_name {text} NOT NULL REFERENCES archive_policy (name) ON DELETE RESTRICT,
    creator {text},
    creator_project {text},
    resource_id {uuid} REFERENCES resource (id) ON DELETE SET NULL,
    name {text},
    unit {text},
    status {text} NOT NULL CHECK (status IN ('active', 'delete')),
    needs_raw_data_truncation {bool} NOT NULL,
    last_measure {integer} NOT NULL,
    UNIQUE (resource_id, name)
) {strict};

CREATE INDEX metric_policy ON metric (archive_policy_name);
CREATE INDEX metric_name ON metric (name);
CREATE INDEX metric_creator ON metric (creator);
CREATE INDEX metric_creator_project ON metric (creator_project);
-- Few are waiting to be expunged.
CREATE INDEX metric_deleted ON metric (id) WHERE status = 'delete';
