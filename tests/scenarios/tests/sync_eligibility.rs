//! Who is synced by themselves, what an app can say about them, and what sends nothing.

use scenarios::{eventually, Stack, NOTHING};
use uuid::Uuid;

/// Waits until the worker has nothing left to do.
#[track_caller]
fn idle(stack: &Stack) {
    eventually("the queue is empty", || {
        let open = "SELECT count(*) FROM cometchat.sync_state
                    WHERE claim IS NOT NULL OR next_attempt_at IS NOT NULL";
        stack.value(open).as_deref() == Some("0")
    });
}

/// Shows that everything before has been looked at: somebody who signs up now has arrived.
#[track_caller]
fn after_somebody_else(stack: &Stack) -> Uuid {
    let other = stack.sign_up(&format!("Other {}", Uuid::new_v4().simple()));
    eventually("somebody else has arrived", || stack.stored(other).token.is_some());
    other
}

fn insert_anonymous(stack: &Stack) -> Uuid {
    let id = Uuid::new_v4();
    let sql = "INSERT INTO auth.users (id, is_anonymous) VALUES ($1, true)";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&id]).expect(sql);
    id
}

#[test]
fn anonymous_users_are_synced_when_converted_or_when_they_call() {
    let stack = Stack::syncing();
    let (becomes, asks) = (insert_anonymous(&stack), insert_anonymous(&stack));
    idle(&stack);
    assert_eq!(stack.asked(), NOTHING);

    stack.change(becomes, "is_anonymous = false, email = 'somebody@example.com'");
    eventually("the convert arrives", || stack.stored(becomes).token.is_some());
    stack.session(asks).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user", "create_user"]);
}

#[test]
fn sync_anonymous_syncs_anonymous_users_automatically() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.sync_anonymous", Some("on"));

    let user = insert_anonymous(&stack);

    eventually("the user arrives", || stack.stored(user).token.is_some());
}

#[test]
fn without_sync_unconfirmed_a_sign_up_waits_for_its_confirmation() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.sync_unconfirmed", Some("off"));
    let ada = stack.sign_up("Ada Lovelace");
    idle(&stack);
    assert_eq!(stack.asked(), NOTHING);

    stack.change(ada, "email_confirmed_at = now()");

    eventually("the confirmed user arrives", || stack.stored(ada).token.is_some());
}

#[test]
fn backfill_finds_skipped_users_once_settings_allow_them() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.sync_unconfirmed", Some("off"));
    let (anonymous, unconfirmed) = (insert_anonymous(&stack), stack.sign_up("Ada Lovelace"));
    idle(&stack);
    let backfill = || stack.value("SELECT cometchat.backfill()");
    assert_eq!(backfill().as_deref(), Some("0"), "the settings do not want them");

    stack.db.set("cometchat.sync_anonymous", Some("on"));
    stack.db.set("cometchat.sync_unconfirmed", None);

    assert_eq!(backfill().as_deref(), Some("2"));
    for user in [anonymous, unconfirmed] {
        eventually("the user arrives", || stack.stored(user).token.is_some());
    }
    idle(&stack);
    assert_eq!(backfill().as_deref(), Some("0"));
}

#[test]
fn backfill_needs_only_the_id_column() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY);
         INSERT INTO auth.users SELECT gen_random_uuid() FROM generate_series(1, 3)",
    );
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("3"));
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("0"));
}

#[test]
fn an_apps_profiles_table_can_queue_users_and_never_fails() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.sync_unconfirmed", Some("off"));
    stack.execute(
        "CREATE TABLE public.profiles (owner uuid PRIMARY KEY, bio text);
         CREATE TRIGGER chat AFTER INSERT OR UPDATE ON public.profiles
           FOR EACH ROW EXECUTE FUNCTION cometchat.enqueue_row('owner');
         CREATE TABLE public.odd (owner text);
         CREATE TRIGGER chat BEFORE INSERT OR DELETE ON public.odd
           FOR EACH ROW EXECUTE FUNCTION cometchat.enqueue_row('owner')",
    );
    let ada = stack.sign_up("Ada Lovelace");
    idle(&stack);
    stack.change(ada, "email_confirmed_at = now()");
    idle(&stack);
    stack.asked();
    let revision =
        format!("SELECT wanted_revision FROM cometchat.sync_state WHERE user_id = '{ada}'");
    let before = stack.value(&revision);

    stack.execute(&format!("INSERT INTO public.profiles VALUES ('{ada}', 'x')"));
    idle(&stack);
    assert_ne!(stack.value(&revision), before);
    assert_eq!(stack.asked(), NOTHING, "the row is queued, and there is nothing new to say");

    // What is not even a user id is swallowed and counted; broken objects of ours do no harm.
    stack.execute("INSERT INTO public.odd VALUES ('nobody'), (NULL)");
    let failures = "SELECT last_value FROM cometchat.trigger_failures";
    assert_eq!(stack.value(failures).as_deref(), Some("1"));
    // Nobody can be found later who cannot be a user.
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.trigger_misses").as_deref(), Some("0"));
    stack.execute(
        "ALTER EXTENSION cometchat_ext DROP FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean);
         DROP FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean);
         INSERT INTO public.odd VALUES ('nobody'); DELETE FROM public.odd WHERE true",
    );
}

#[test]
fn replication_and_restore_are_silent() {
    let stack = Stack::syncing();
    let id = Uuid::new_v4();
    stack.execute(&format!(
        "SET session_replication_role = replica; INSERT INTO auth.users (id) VALUES ('{id}')"
    ));
    after_somebody_else(&stack);
    assert_eq!(stack.asked(), ["create_user"]);

    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("1"));
    eventually("backfill finds the user", || stack.stored(id).token.is_some());
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("0"));
}

#[test]
fn what_is_rolled_back_sends_nothing() {
    let stack = Stack::syncing();
    let (gone, kept, never) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    stack.execute(&format!(
        "BEGIN; INSERT INTO auth.users (id) VALUES ('{kept}');
         SAVEPOINT s; INSERT INTO auth.users (id) VALUES ('{gone}'); ROLLBACK TO s; COMMIT;
         BEGIN; INSERT INTO auth.users (id) VALUES ('{never}'); ROLLBACK"
    ));
    eventually("what was committed arrives", || stack.stored(kept).token.is_some());
    after_somebody_else(&stack);

    assert_eq!(stack.asked(), ["create_user", "create_user"]);
    let both =
        format!("SELECT count(*) FROM cometchat.sync_state WHERE user_id IN ('{gone}', '{never}')");
    assert_eq!(stack.value(&both).as_deref(), Some("0"));
}
