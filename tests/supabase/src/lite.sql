-- What @supabase/lite 0.10.0 needs beyond Supabase's own objects. Its traps, as found:
-- * At its first request it GRANTs ALL on every schema that has a table with row security, auth
--   included, to anon; without the right to, that request fails with 42501. It does not do so once
--   it believes that this was done (rlsState in lite.ts). So it gets a role of its own, too.
-- * It writes to auth.* as the role that it connects as: membership in supabase_auth_admin, inherited,
--   gives it that role's rights and passes row security as the owner does.
create role lite_gateway login inherit;
grant anon, authenticated, service_role, supabase_auth_admin to lite_gateway;

-- * Its refresh tokens have UUIDs for ids. Supabase Auth's have a sequence, which goes on working.
alter table auth.refresh_tokens alter column id drop default;
alter table auth.refresh_tokens alter column id type text;
alter table auth.refresh_tokens
  alter column id set default nextval('auth.refresh_tokens_id_seq')::text;

-- * It binds JSON documents as text that is encoded once more, which jsonb keeps as a string.
create schema lite;
grant usage on schema lite to supabase_auth_admin;
create function lite.unwrap(document jsonb) returns jsonb language sql immutable as $$
  select case jsonb_typeof(document) when 'string' then (document #>> '{}')::jsonb else document end
$$;
create function lite.unwrap_user() returns trigger language plpgsql as $$
begin
  new.raw_app_meta_data := lite.unwrap(new.raw_app_meta_data);
  new.raw_user_meta_data := lite.unwrap(new.raw_user_meta_data);
  return new;
end $$;
create function lite.unwrap_identity() returns trigger language plpgsql as $$
begin
  new.identity_data := lite.unwrap(new.identity_data);
  return new;
end $$;
create trigger unwrap before insert or update on auth.users
  for each row execute function lite.unwrap_user();
create trigger unwrap before insert or update on auth.identities
  for each row execute function lite.unwrap_identity();
