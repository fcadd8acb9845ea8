//! health() neither hangs nor raises: not behind a lock, not without a right, not when Vault cannot
//! decrypt. A row says which lock, or what failed, and how it is mended.

use scenarios::health::{check, health_in, is_mended_by_its_hint, run_hint, unwell, well};
use scenarios::{eventually, Cluster, Database, Stack};
use simulator::Simulator;

#[test]
fn a_lock_on_any_table_is_named_and_ended_by_the_hint() {
    let stack = well();
    for table in [
        "cometchat.sync_state",
        "cometchat.control",
        "public.cometchat_users",
        "auth.users",
        "cometchat.trigger_misses",
    ] {
        let mut holder = stack.db.admin();
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {table}")).expect("lock");
        is_mended_by_its_hint(
            &stack.db,
            table,
            "locks",
            &format!("{} is locked", table.trim_start_matches("public.")),
        );
        assert!(holder.is_closed() || holder.batch_execute("SELECT 1").is_err());
        assert!(unwell(&stack.db).is_empty(), "{table}: {:#?}", unwell(&stack.db));
    }
}

#[test]
fn a_lock_of_a_prepared_transaction_is_named_and_ended_by_the_hint() {
    let cluster = Cluster::start(&[
        "shared_preload_libraries = 'cometchat_ext'",
        "max_prepared_transactions = 2",
    ]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    stack.execute("BEGIN; LOCK TABLE cometchat.sync_state; PREPARE TRANSACTION 'forgotten'");
    is_mended_by_its_hint(&stack.db, "prepared", "locks", "prepared transaction forgotten");
}

#[test]
fn checks_behind_a_lock_say_so_and_the_others_are_made() {
    let stack = well();
    let mut holder = stack.db.admin();
    holder.batch_execute("BEGIN; LOCK TABLE cometchat.sync_state").expect("lock");
    let failing = unwell(&stack.db);
    let queue = failing.iter().find(|check| check.name == "queue").expect("it reads the table");
    assert!(queue.detail.contains("55P03"), "{queue:?}");
    assert!(queue.hint.contains("pg_terminate_backend"), "{queue:?}");
    let key = check(&stack.db, "API key");
    assert!(key.ok, "the key has nothing to do with it: {key:?}");
}

#[test]
fn a_vault_that_cannot_decrypt_is_a_row_and_no_error() {
    let stack = Stack::on(Database::like_supabase(Cluster::shared()), Simulator::start());
    stack.db.set("cometchat.api_key_file", None);
    stack.execute(
        "CREATE OR REPLACE FUNCTION public.undecryptable() RETURNS text LANGUAGE plpgsql AS $f$
         BEGIN RAISE data_exception USING MESSAGE = 'invalid ciphertext'; END $f$;
         CREATE OR REPLACE VIEW vault.decrypted_secrets AS
         SELECT id, name, description, secret, public.undecryptable() AS decrypted_secret, key_id, nonce,
                created_at, updated_at FROM vault.secrets;
         SELECT vault.create_secret('x', 'cometchat_api_key')",
    );
    let failing = unwell(&stack.db);
    let found = failing.iter().find(|check| check.name == "configuration").expect("a row");
    assert!(found.detail.contains("invalid ciphertext"), "{found:?}");
    assert!(found.hint.contains("vault.update_secret"), "{found:?}");
}

#[test]
fn a_role_that_was_renamed_and_a_table_that_changed_hands_are_mended() {
    // Roles belong to the cluster.
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    for (breakage, words) in [
        ("ALTER TABLE cometchat_users OWNER TO postgres", "belongs to postgres"),
        ("ALTER TABLE cometchat_users RENAME TO chat_users", "does not exist"),
        ("ALTER ROLE cometchat_ext RENAME TO chat", "ALTER ROLE chat RENAME TO cometchat_ext"),
    ] {
        stack.execute(breakage);
        let failing = unwell(&stack.db);
        assert_eq!(failing.len(), 1, "{breakage}: {failing:#?}");
        assert_eq!(failing[0].name, "table owner");
        let said = format!("{} {}", failing[0].detail, failing[0].hint);
        assert!(said.contains(words), "{breakage}: {said}");
        run_hint(&stack.db, &failing[0].hint);
        // What the table's new owner had was taken back with it, and the worker had left.
        for check in unwell(&stack.db) {
            assert!(["grants", "worker"].contains(&check.name.as_str()), "{check:?}");
            run_hint(&stack.db, &check.hint);
        }
        eventually("it is well", || unwell(&stack.db).is_empty());
    }
}

#[test]
fn the_service_role_is_told_the_same() {
    let stack = well();
    let mut service = stack.db.connect("authenticator");
    service.batch_execute("SET ROLE service_role").expect("set role");
    let failing: Vec<_> = health_in(&mut service).into_iter().filter(|check| !check.ok).collect();
    assert!(failing.is_empty(), "{failing:#?}");
}
