//! A backlog of users who were there before the trigger, and what CometChat was asked for.

use simulator::{Filter, Limits, Recorded};
use uuid::Uuid;

use crate::Stack;

/// CometChat's free plan, whose limits are followed.
pub fn on_the_build_plan() -> Stack {
    let stack = Stack::new();
    stack.db.set("cometchat.rate_limit", Some("0"));
    stack.chat.set_limits(Limits::build_plan());
    stack
}

/// So many users are queued who were there before the trigger.
pub fn backlog_of(stack: Stack, users: usize) -> Stack {
    queue(&stack, users);
    stack
}

/// The same of a stack in use. (Where the trigger is there, it sees nothing of them.)
pub fn queue(stack: &Stack, users: usize) {
    stack.execute(&format!(
        "SET session_replication_role = replica;
         INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, {users});
         SELECT cometchat.backfill()"
    ));
}

/// The users of `auth.users`.
pub fn users_of(stack: &Stack) -> Vec<Uuid> {
    let rows = stack.db.admin().query("SELECT id FROM auth.users ORDER BY id", &[]).expect("users");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The imports that CometChat was asked for.
pub fn imports(stack: &Stack) -> Vec<Recorded> {
    let filter = Filter { operation: Some("import_users".into()), ..Filter::default() };
    stack.chat.requests_where(&filter)
}

/// How often it was asked for an operation.
pub fn of_operation(stack: &Stack, name: &str) -> usize {
    let filter = Filter { operation: Some(name.into()), ..Filter::default() };
    stack.chat.requests_where(&filter).len()
}
