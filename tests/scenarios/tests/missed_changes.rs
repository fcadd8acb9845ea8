//! What happened in `auth.users` while no trigger of ours could see it: `cometchat.reconcile()` finds and
//! mends all of it.

use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

/// Runs as a tool that restores or replicates does: no trigger and no foreign key fires.
fn unseen(stack: &Stack, sql: &str) {
    stack.execute(&format!("SET session_replication_role = replica; {sql}"));
}

fn agreed(stack: &Stack) {
    let sql = "SELECT count(*) FROM cometchat.sync_state
               WHERE claim IS NOT NULL OR next_attempt_at <= now()";
    eventually("nothing is pending", || stack.value(sql).as_deref() == Some("0"));
}

/// Kind, whom, what.
fn findings(stack: &Stack, call: &str) -> Vec<(String, String, String)> {
    let sql = format!("SELECT kind, user_id::text, detail FROM cometchat.{call}");
    let rows = stack.db.admin().query(&sql, &[]).expect(&sql);
    let mut found: Vec<_> = rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default(), row.get(2)))
        .collect();
    found.sort();
    found
}

fn is_active(stack: &Stack, user: Uuid) -> bool {
    stack.app().user(&user.to_string()).is_some_and(|user| user.get("deactivatedAt").is_none())
}

fn synced(stack: &Stack, names: &[&str]) -> Vec<Uuid> {
    let users: Vec<Uuid> = names.iter().map(|name| stack.sign_up(name)).collect();
    agreed(stack);
    assert!(users.iter().all(|user| is_active(stack, *user)));
    users
}

/// The worker sleeps: what is found is then `reconcile()`'s doing.
fn without_the_worker(stack: &Stack) {
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker has left", || stack.worker().is_none());
}

#[test]
fn reconcile_finds_and_repairs_every_missed_change() {
    let stack = Stack::syncing();
    let names = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Flo", "Gus", "Hal"];
    let users = synced(&stack, &names);
    let [ada, bob, cleo, dan, eve, flo, gus, hal] = users[..] else { panic!() };
    stack.enqueue(ada, &json!({"link": "https://example.com/ada"}));
    stack.change(eve, "banned_until = 'infinity'");
    stack.change(gus, "banned_until = 'infinity'");
    agreed(&stack);
    without_the_worker(&stack);
    let new = Uuid::new_v4();
    unseen(
        &stack,
        &format!(
            "DELETE FROM auth.users WHERE id = '{ada}';
             UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{bob}';
             UPDATE auth.users SET raw_user_meta_data = '{{\"full_name\": \"Cleopatra\"}}'
             WHERE id = '{cleo}';
             UPDATE auth.users SET deleted_at = now() WHERE id = '{dan}';
             UPDATE auth.users SET banned_until = NULL WHERE id = '{eve}';
             UPDATE auth.users SET last_sign_in_at = now() WHERE id = '{flo}';
             UPDATE auth.users SET banned_until = now() + interval '1 hour' WHERE id = '{gus}';
             UPDATE auth.users SET email = 'hal@example.org' WHERE id = '{hal}';
             INSERT INTO auth.users (id) VALUES ('{new}')"
        ),
    );

    let shut_out = "banned or deleted in auth.users, not in CometChat";
    let mut expected: Vec<(String, String, String)> = [
        ("gone", ada, "not in auth.users any more"),
        ("drifted", bob, shut_out),
        ("drifted", cleo, "changed in auth.users, not sent"),
        ("drifted", dan, shut_out),
        ("drifted", eve, "deactivated in CometChat, not banned in auth.users any more"),
        ("drifted", gus, "the ban ends sooner than was known"),
        ("drifted", hal, "changed in auth.users, not sent"),
        ("missing", new, "in auth.users, never sent to CometChat"),
    ]
    .map(|(kind, user, what)| (kind.to_owned(), user.to_string(), what.to_owned()))
    .into();
    expected.sort();
    assert_eq!(findings(&stack, "reconcile()"), expected);
    assert_eq!(findings(&stack, "reconcile()"), expected, "looking changes nothing");
    let advice = "SELECT hint FROM cometchat.health()
                  WHERE check_name = 'missed changes' AND NOT ok";
    assert!(stack.value(advice).is_some_and(|hint| hint.contains("reconcile")));

    assert_eq!(findings(&stack, "reconcile(true)"), expected);
    stack.execute("SELECT cometchat.resume()");
    agreed(&stack);
    assert_eq!(findings(&stack, "reconcile()"), []);
    let active = |users: &[Uuid]| users.iter().filter(|user| is_active(&stack, **user)).count();
    assert_eq!(active(&[ada, bob, dan, gus]), 0);
    assert_eq!(active(&[cleo, eve, flo, hal, new]), 5);
    assert_eq!(stack.chat_user(cleo)["name"], "Cleopatra");
    assert_eq!(stack.chat_user(hal)["metadata"]["@private"]["email"], "hal@example.org");
    let traces = format!(
        "SELECT count(*) FROM cometchat.sync_state AS s
         FULL JOIN public.cometchat_users AS u USING (user_id)
         WHERE user_id = '{ada}' AND (u.user_id IS NOT NULL OR s.overrides IS NOT NULL)"
    );
    assert_eq!(stack.value(&traces).as_deref(), Some("0"), "names do not outlive the user");
    let back = format!(
        "SELECT next_attempt_at < now() + interval '61 minutes'
                        FROM cometchat.sync_state WHERE user_id = '{gus}'"
    );
    assert_eq!(stack.value(&back).as_deref(), Some("true"));
    assert_eq!(stack.value(advice), None);
}

#[test]
fn a_truncated_table_is_found_and_sent() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada", "Bob", "Cleo"]);
    without_the_worker(&stack);
    // The cascade takes the mappings along.
    unseen(&stack, "TRUNCATE auth.users CASCADE");

    let found = findings(&stack, "reconcile(true)");
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(kind, ..)| kind == "gone"));
    stack.execute("SELECT cometchat.resume()");
    agreed(&stack);
    assert!(users.iter().all(|user| !is_active(&stack, *user)));
    assert_eq!(findings(&stack, "reconcile()"), []);
}

#[test]
fn changes_during_a_disabled_trigger_are_found_later() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada", "Bob"]);
    without_the_worker(&stack);
    stack.execute("ALTER TABLE auth.users DISABLE TRIGGER ALL");
    stack.change(users[0], "banned_until = 'infinity'");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{}'", users[1]));
    stack.execute("ALTER TABLE auth.users ENABLE TRIGGER ALL");

    assert_eq!(findings(&stack, "reconcile(true)").len(), 2);
    stack.execute("SELECT cometchat.resume()");
    agreed(&stack);
    assert!(users.iter().all(|user| !is_active(&stack, *user)));
}

#[test]
fn a_change_that_was_seen_is_not_reported() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada", "Bob", "Cleo", "Dan"]);
    stack.change(users[0], "banned_until = 'infinity'");
    stack.change(users[1], "banned_until = now() + interval '1 day'");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{}'", users[2]));
    agreed(&stack);
    assert_eq!(findings(&stack, "reconcile()"), []);
    // What is still to be sent is none either.
    without_the_worker(&stack);
    stack.change(users[3], "banned_until = 'infinity'");
    stack.sign_up("Eve");
    assert_eq!(findings(&stack, "reconcile()"), []);
    assert_eq!(findings(&stack, "reconcile(true)"), []);
}

/// The latest attempt failed for what it was to send; a ban or a deletion is another matter.
#[test]
fn a_ban_or_a_deletion_of_whom_cometchat_refuses_is_found() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada", "Bob"]);
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").operation("update_user"));
    for user in &users {
        stack.change(*user, "raw_user_meta_data = '{\"full_name\": \"Refused\"}'");
    }
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    eventually("both have failed", || stack.value(failed).as_deref() == Some("2"));
    without_the_worker(&stack);
    unseen(
        &stack,
        &format!(
            "UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{}';
             DELETE FROM auth.users WHERE id = '{}';
             DELETE FROM public.cometchat_users WHERE user_id = '{1}'",
            users[0], users[1]
        ),
    );

    assert_eq!(findings(&stack, "reconcile(true)").len(), 2);
    stack.execute("SELECT cometchat.resume()");
    agreed(&stack);
    assert!(users.iter().all(|user| !is_active(&stack, *user)));
}

/// Who cannot be deactivated is in `failed_users`, and not queued again and again.
#[test]
fn a_deactivation_that_cometchat_refuses_is_no_missed_change() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada", "Bob"]);
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").operation("deactivate_users"));
    stack.change(users[0], "banned_until = 'infinity'");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{}'", users[1]));
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    eventually("both have failed", || stack.value(failed).as_deref() == Some("2"));
    let found = findings(&stack, "reconcile()");
    let by_their_list =
        found.iter().filter(|(.., what)| what == "active in CometChat, deactivated here");
    assert_eq!((found.len(), by_their_list.count()), (2, 2), "{found:?}");
}

/// Nor is one whose outcome cannot be written, which leaves what was known before.
#[test]
fn a_deactivation_that_cannot_be_written_is_no_missed_change() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada"]);
    stack.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON public.cometchat_users
           FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    );
    stack.change(users[0], "banned_until = 'infinity'");
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    eventually("she has failed", || stack.value(failed).as_deref() == Some("1"));
    assert!(!is_active(&stack, users[0]));
    let found = findings(&stack, "reconcile()");
    let not_told = "banned or deleted in auth.users, not in CometChat";
    assert!(found.iter().all(|(.., what)| what != not_told), "{found:?}");
}

/// Mapped by hand, and all that is known is the token that a refresh brought.
#[test]
fn a_missed_ban_of_whom_only_a_token_is_known_is_found() {
    let stack = Stack::new();
    stack.app().add_user(json!({"uid": "legacy-42", "name": "Ada"})).expect("a user");
    let ada = stack.sign_up("Ada");
    stack.map(ada, "legacy-42", None);
    stack.session(ada).refresh(None).token();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    unseen(&stack, &format!("UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{ada}'"));

    let found = findings(&stack, "reconcile(true)");
    assert_eq!(found.len(), 1, "{found:?}");
    stack.execute("SELECT cometchat.resume()");
    agreed(&stack);
    assert!(stack.app().user("legacy-42").is_some_and(|user| user.get("deactivatedAt").is_some()));
}
