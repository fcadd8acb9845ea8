-- A secret of Supabase's Vault.
-- SECURITY: with the rights of the view's owner, see vault.rs.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS name
)
SELECT v.decrypted_secret::text AS secret
FROM vault.decrypted_secrets AS v, input AS i WHERE v.name = i.name
