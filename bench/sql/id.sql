-- A UUIDv7 that says what it names: statements that write of the same thing need not hand its id on.
CREATE FUNCTION bench.id(at timestamptz, kind integer, who integer, k integer) RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN (
  lpad(to_hex(app.epoch_milliseconds(at)), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(k), 3, '0')
  || lpad(to_hex(who), 12, '0')
)::uuid
