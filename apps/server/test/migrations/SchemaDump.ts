import type { Session } from "../../../../test/utils/Postgres.ts"

/**
 * Everything a database's own catalog says that a migration can change, one line each: relations, columns,
 * constraints, indexes, triggers, functions, domains, rights. Two databases with the same lines have the same schema.
 * Owners are written as OWNER, for they differ from merchant to merchant.
 */
export const schemaDump = async (session: Session): Promise<ReadonlyArray<string>> => {
  const lines = await session.query(`
    WITH ours AS (
      SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('public', 'app')
    ),
    extension AS (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e'
    )
    SELECT replace(line, current_user, 'OWNER') AS line FROM (
      SELECT format('relation %s %s %s %s %s', c.oid::regclass, c.relkind, c.relpersistence, c.reloptions::text,
        c.relacl::text) || format(' %s %s', pg_get_userbyid(c.relowner), pg_get_expr(c.relpartbound, c.oid)) AS line
      FROM pg_catalog.pg_class AS c WHERE c.relnamespace IN (SELECT oid FROM ours)
      UNION ALL
      SELECT format('column %s.%s %s %s %s %s %s %s', a.attrelid::regclass, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, a.attgenerated,
        a.attacl::text, pg_get_expr(d.adbin, d.adrelid))
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relnamespace IN (SELECT oid FROM ours)
      LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attnum > 0
      UNION ALL
      SELECT format('constraint %s %s %s %s', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text),
        k.conname, pg_get_constraintdef(k.oid), k.convalidated)
      FROM pg_catalog.pg_constraint AS k WHERE k.connamespace IN (SELECT oid FROM ours)
      UNION ALL
      SELECT 'index ' || pg_get_indexdef(i.indexrelid)
      FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      WHERE c.relnamespace IN (SELECT oid FROM ours)
      UNION ALL
      SELECT format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid))
      FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
      WHERE c.relnamespace IN (SELECT oid FROM ours) AND NOT t.tgisinternal
      UNION ALL
      SELECT format('function %s %s %s', pg_get_userbyid(p.proowner), p.proacl::text, pg_get_functiondef(p.oid))
      FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace IN (SELECT oid FROM ours)
        AND NOT EXISTS (SELECT FROM extension AS e WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid)
      UNION ALL
      SELECT format('domain %s %s %s', t.typname, pg_get_userbyid(t.typowner), format_type(t.typbasetype, t.typtypmod))
      FROM pg_catalog.pg_type AS t WHERE t.typnamespace IN (SELECT oid FROM ours) AND t.typtype = 'd'
      UNION ALL
      SELECT format('schema %s %s', n.nspname, n.nspacl::text)
      FROM pg_catalog.pg_namespace AS n WHERE n.oid IN (SELECT oid FROM ours)
      UNION ALL
      SELECT format('extension %s %s', x.extname, x.extnamespace::regnamespace) FROM pg_catalog.pg_extension AS x
      UNION ALL
      SELECT format('default rights %s %s', a.defaclobjtype, a.defaclacl::text) FROM pg_catalog.pg_default_acl AS a
    ) AS lines
    ORDER BY line COLLATE "C"`)
  return lines.map(({ line }) => String(line))
}
