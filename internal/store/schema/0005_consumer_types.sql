-- +goose Up

-- Who held resources before consumers had types was a server.
UPDATE consumers SET type='INSTANCE' WHERE type='unknown' AND EXISTS (SELECT 1 FROM servers v WHERE v.id=consumers.id);

-- +goose Down
UPDATE consumers SET type='unknown' WHERE type='INSTANCE';
