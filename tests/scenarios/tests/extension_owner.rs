//! The extension's owner is trusted: from the moment that it is given away, and for no longer.

use scenarios::{Cluster, Database, Session, Stack};
use simulator::Simulator;
use uuid::Uuid;

/// An extension that an ordinary role owns, and that role and another. Neither was granted anything.
fn owned() -> (Stack, String, String) {
    let stack = Stack::on(Database::plain(Cluster::shared()), Simulator::start());
    let role = |what: &str| format!("{what}_{}", stack.db.name());
    let (owner, heir) = (role("owner"), role("heir"));
    stack.execute(&format!(
        "DROP EXTENSION cometchat_ext CASCADE;
         CREATE ROLE {owner} LOGIN SUPERUSER; CREATE ROLE {heir} LOGIN;
         GRANT CREATE ON DATABASE {} TO {owner};
         SET ROLE {owner}; CREATE EXTENSION cometchat_ext; SELECT cometchat.pause(); RESET ROLE;
         GRANT USAGE ON SCHEMA cometchat TO PUBLIC;
         GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text) TO PUBLIC;
         REVOKE ALL ON FUNCTION cometchat.enqueue(uuid, jsonb) FROM {owner};
         ALTER ROLE {owner} NOSUPERUSER",
        stack.db.name()
    ));
    (stack, owner, heir)
}

fn is_trusted(session: &mut Session) -> bool {
    let answer = session.ensure(Some(Uuid::new_v4()), None, None);
    answer.success() || answer.code() != "UNAUTHORIZED"
}

#[test]
fn open_sessions_see_that_it_is_given_away() {
    let (stack, owner, heir) = owned();
    let mut sessions = [&owner, &heir].map(|role| Session::of(stack.db.connect(role)));
    assert_eq!(sessions.each_mut().map(is_trusted), [true, false]);

    stack.execute(&format!("REASSIGN OWNED BY {owner} TO {heir}"));

    assert_eq!(sessions.each_mut().map(is_trusted), [false, true]);
}

#[test]
fn a_gift_that_is_rolled_back_leaves_no_trace() {
    let (stack, owner, heir) = owned();
    let mut session = Session::of(stack.db.admin());
    session.execute(&format!("BEGIN; REASSIGN OWNED BY {owner} TO {heir}; SET ROLE {owner}"));
    assert!(!is_trusted(&mut session));
    session.execute(&format!("SET ROLE {heir}"));
    assert!(is_trusted(&mut session));
    session.execute(&format!("SET ROLE {owner}"));
    assert!(!is_trusted(&mut session));

    session.execute("ROLLBACK");

    session.execute(&format!("SET ROLE {owner}"));
    assert!(is_trusted(&mut session));
}
