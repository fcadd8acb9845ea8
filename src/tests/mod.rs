//! Tests that run inside Postgres.
