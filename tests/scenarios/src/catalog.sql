-- What the catalogs say about the extension and all that is its own: an object, a property, its value. Without
-- numbers that differ from one database to the next: object ids, attribute numbers of columns that were dropped, and
-- pg_attver, a version of Postgres's own that minor releases keep in attoptions.
WITH ours AS (
  SELECT d.classid, d.objid, d.objsubid, d.deptype FROM pg_depend AS d
  WHERE d.refclassid = 'pg_extension'::regclass
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cometchat_ext')
), object AS (
  SELECT o.classid, o.objid, i.type || ' ' || i.identity AS name
  FROM ours AS o, pg_identify_object(o.classid, o.objid, o.objsubid) AS i WHERE o.deptype = 'e'
  UNION -- an identity column's sequence, and the indexes, are parts of their table
  SELECT d.classid, d.objid, i.type || ' ' || i.identity
  FROM ours AS o JOIN pg_depend AS d ON d.refclassid = o.classid AND d.refobjid = o.objid
       AND d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::regclass
       JOIN pg_class AS c ON c.oid = d.objid AND c.relkind IN ('i', 'S'),
       pg_identify_object(d.classid, d.objid, 0) AS i
  WHERE o.deptype = 'e' AND o.classid = 'pg_class'::regclass
), relation AS (
  SELECT o.name, c.* FROM object AS o JOIN pg_class AS c ON o.classid = 'pg_class'::regclass AND c.oid = o.objid
), tables AS (
  SELECT * FROM relation WHERE relkind IN ('r', 'p', 'v', 'm')
), routine AS (
  SELECT o.name, p.* FROM object AS o JOIN pg_proc AS p ON o.classid = 'pg_proc'::regclass AND p.oid = o.objid
), acl AS (
  SELECT name, 'privileges' AS property, relacl AS acl FROM relation
  UNION ALL SELECT name, 'privileges', proacl FROM routine
  UNION ALL SELECT o.name, 'privileges', n.nspacl
  FROM object AS o JOIN pg_namespace AS n ON o.classid = 'pg_namespace'::regclass AND n.oid = o.objid
  UNION ALL SELECT t.name, 'privileges on column ' || a.attname, a.attacl
  FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
  -- what pg_dump takes for the extension's own
  UNION ALL SELECT o.name, 'privileges at its creation', p.initprivs
  FROM object AS o JOIN pg_init_privs AS p ON p.classoid = o.classid AND p.objoid = o.objid
  UNION ALL SELECT 'schema public', 'privileges of cometchat_ext',
    ARRAY(SELECT a FROM unnest(n.nspacl) AS a WHERE a::text LIKE 'cometchat_ext=%')
  FROM pg_namespace AS n WHERE n.nspname = 'public'
), found AS (
  SELECT name, 'comment' AS property, obj_description(objid, classid::regclass::text) AS value FROM object
  UNION ALL SELECT name, property, (SELECT string_agg(a, ' ' ORDER BY a) FROM unnest(acl::text[]) AS a) FROM acl
  UNION ALL SELECT name, 'owner', relowner::regrole::text FROM relation
  UNION ALL SELECT name, 'owner', proowner::regrole::text FROM routine
  UNION ALL SELECT name, 'definition', pg_get_functiondef(oid) FROM routine WHERE prokind <> 'a'
  UNION ALL SELECT name, 'definition', pg_get_viewdef(oid) FROM tables WHERE relkind IN ('v', 'm')
  UNION ALL SELECT name, 'definition', pg_get_indexdef(oid) FROM relation WHERE relkind = 'i'
  UNION ALL SELECT r.name, 'definition',
    concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
  FROM relation AS r JOIN pg_sequence AS s ON s.seqrelid = r.oid
  UNION ALL SELECT name, 'options', concat_ws(' ', relkind, relpersistence, relreplident, reloptions,
    CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced' END)
  FROM relation
  -- Their order too: SELECT * and COPY without a list follow it.
  UNION ALL SELECT t.name, 'column ' || row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum),
    concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
      'default ' || pg_get_expr(d.adbin, d.adrelid), 'identity ' || NULLIF(a.attidentity::text, ''),
      'generated ' || NULLIF(a.attgenerated::text, ''), a.attstorage, NULLIF(a.attcompression::text, ''),
      NULLIF(a.attcollation, 0)::regcollation,
      ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o NOT LIKE 'pg_attver=%'))
  FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
       LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT t.name, 'comment on column ' || a.attname, col_description(t.oid, a.attnum)
  FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT t.name, 'constraint ' || c.conname,
    concat_ws(' ', pg_get_constraintdef(c.oid), CASE WHEN NOT c.convalidated THEN 'not valid' END,
              '/* ' || obj_description(c.oid, 'pg_constraint') || ' */')
  FROM tables AS t JOIN pg_constraint AS c ON c.conrelid = t.oid
  UNION ALL SELECT t.name, 'trigger ' || g.tgname,
    concat_ws(' ', pg_get_triggerdef(g.oid), g.tgenabled, '/* ' || obj_description(g.oid, 'pg_trigger') || ' */')
  FROM tables AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
  UNION ALL SELECT t.name, 'policy ' || p.polname,
    concat_ws(' ', p.polcmd, p.polpermissive, ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) AS r ORDER BY 1),
      pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid),
      '/* ' || obj_description(p.oid, 'pg_policy') || ' */')
  FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid
  UNION ALL SELECT t.name, 'rule ' || r.rulename, pg_get_ruledef(r.oid)
  FROM tables AS t JOIN pg_rewrite AS r ON r.ev_class = t.oid WHERE t.relkind = 'r'
  -- what goes with the extension, such as its triggers on tables of others
  UNION ALL SELECT i.type || ' ' || i.identity, 'goes with the extension',
    (SELECT pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text FROM pg_trigger AS g
     WHERE o.classid = 'pg_trigger'::regclass AND g.oid = o.objid)
  FROM ours AS o, pg_identify_object(o.classid, o.objid, o.objsubid) AS i WHERE o.deptype <> 'e'
  UNION ALL SELECT 'extension cometchat_ext', 'properties',
    concat_ws(' ', e.extversion, e.extnamespace::regnamespace, e.extrelocatable, e.extowner::regrole)
  FROM pg_extension AS e WHERE e.extname = 'cometchat_ext'
  UNION ALL SELECT 'extension cometchat_ext', 'dumps ' || c.oid::regclass, '(' || c.condition || ')'
  FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS c(oid, condition) WHERE e.extname = 'cometchat_ext'
  UNION ALL SELECT 'role cometchat_ext', 'comment', shobj_description(r.oid, 'pg_authid')
  FROM pg_roles AS r WHERE r.rolname = 'cometchat_ext'
)
SELECT name AS object, property, COALESCE(value, '-') AS value FROM found ORDER BY 1, 2
