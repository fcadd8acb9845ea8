//! Supabase's Vault: its secrets serve where a setting is empty.

use super::statement::Statement;
use crate::pg::rights::{self, Lock, Rights};

/// SECURITY: reading a view runs its functions, with the rights of its owner here. See
/// [`crate::pg::rights`].
const OWNER: Rights = Rights::OwnerOf(c"vault", c"decrypted_secrets", Lock::Read);

static SECRET: Statement = Statement::with_rights(OWNER, include_str!("sql/vault_secret.sql"));

/// A secret, if there is a Vault that may say where the key goes and it has one.
pub fn secret(name: &str) -> Option<String> {
    // SECURITY: only a superuser decides what the key is and where it goes, and a schema named
    // vault can be made by any role that may create schemas.
    let vault = rights::relation(c"vault", c"decrypted_secrets", Lock::Read)?;
    if !rights::is_superuser(vault.owner) {
        return None;
    }
    SECRET.first(&[("name", name.into())], |row| row.get(c"secret")).flatten()
}
