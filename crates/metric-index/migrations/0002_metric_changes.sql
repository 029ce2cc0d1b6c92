-- How often something changed that is remembered of metrics: whoever remembers asks for it first.
CREATE TABLE metric_changes (
    number {integer} NOT NULL
) {strict};

INSERT INTO metric_changes (number) VALUES (0);
