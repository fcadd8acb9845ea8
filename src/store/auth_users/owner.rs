//! The rights with which `auth.users` is read: those of its owner.

use crate::pg::rights::{Lock, Rights};

// SECURITY: see [`crate::pg::rights`].

pub(super) const OWNER: Rights = Rights::OwnerOf(c"auth", c"users", Lock::Read);
pub(super) const OWNER_LOCKING: Rights = Rights::OwnerOf(c"auth", c"users", Lock::KeyShare);
