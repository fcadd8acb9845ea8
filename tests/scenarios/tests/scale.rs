//! With 100,000 users: every statement of the flow, and the policy, find their rows by an index.

use std::sync::{Arc, Mutex};

use postgres::{Client, NoTls};
use scenarios::environment::has_module;
use scenarios::{Session, Stack};
use serde_json::Value;
use uuid::Uuid;

const USERS: &str = "
    INSERT INTO auth.users (id, email, raw_user_meta_data)
    SELECT gen_random_uuid(), n || '@example.com', jsonb_build_object('full_name', 'User ' || n)
    FROM generate_series(1, 100000) AS n;
    INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token)
    SELECT id, id, id || '_token' FROM auth.users;
    INSERT INTO cometchat.sync_state (user_id, cometchat_uid, app_id) SELECT id, id, 'app1' FROM auth.users;
    ANALYZE auth.users; ANALYZE public.cometchat_users; ANALYZE cometchat.sync_state";

const TABLES: [&str; 3] = ["users", "cometchat_users", "sync_state"];

type Plans = Arc<Mutex<Vec<Value>>>;

/// A superuser's session that collects the plan of every statement, nested ones included.
fn explained(stack: &Stack) -> (Client, Plans) {
    let plans = Plans::default();
    let collect = plans.clone();
    let mut config = stack.db.cluster().config(stack.db.name(), "supabase_admin");
    config.notice_callback(move |notice| {
        if let Some(at) = notice.message().find('{').filter(|_| notice.message().contains("plan:"))
        {
            let plan = serde_json::from_str(&notice.message()[at..]).expect("a plan in JSON");
            collect.lock().expect("the plans").push(plan);
        }
    });
    let mut client = config.connect(NoTls).expect("connect");
    client
        .batch_execute(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
             SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;
             SET auto_explain.log_format = json; SET auto_explain.log_level = notice",
        )
        .expect("auto_explain");
    (client, plans)
}

/// Calls `visit` on every node of a plan.
fn walk(node: &Value, visit: &mut impl FnMut(&Value)) {
    visit(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, visit);
    }
}

/// How often each of the big tables was read by an index; panics when one was read otherwise.
fn index_scans(plans: &[Value]) -> [usize; 3] {
    let mut counts = [0; 3];
    for plan in plans {
        walk(&plan["Plan"], &mut |node| {
            let relation = node["Relation Name"].as_str();
            let kind = node["Node Type"].as_str().expect("a node type");
            let Some(at) = TABLES.iter().position(|table| Some(*table) == relation) else { return };
            match kind {
                "Index Scan" | "Index Only Scan" => counts[at] += 1,
                "ModifyTable" => {}
                other => panic!("{other} on {}: {}", TABLES[at], plan["Query Text"]),
            }
        });
    }
    counts
}

fn ids(stack: &Stack, count: i64) -> Vec<Uuid> {
    let rows = stack.db.admin().query("SELECT id FROM auth.users LIMIT $1", &[&count]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_statement_of_the_flow_and_the_policy_is_an_index_scan() {
    if !has_module("auto_explain") {
        return;
    }
    let stack = Stack::new();
    stack.execute(USERS);
    let users = ids(&stack, 8);

    // More calls than the five after which Postgres may settle for a generic plan.
    let (client, plans) = explained(&stack);
    let mut service = Session::of(client);
    service.execute("SET ROLE service_role");
    for user in &users {
        stack.app().add_user(serde_json::json!({"uid": user.to_string(), "name": "x"})).unwrap();
        service.ensure(Some(*user), Some("Ada"), None).token();
        service.refresh(Some(*user)).token();
        service.revoke(Some(*user));
        stack.app().delete(&user.to_string());
        assert_eq!(service.refresh(Some(*user)).code(), "USER_NOT_FOUND");
        service.execute(&format!(r#"SELECT cometchat.enqueue('{user}', '{{"name": "x"}}')"#));
        service.ensure(Some(*user), None, None).token();
        let delete = "DELETE FROM public.cometchat_users WHERE user_id = $1";
        service.client.execute(delete, &[user]).unwrap();
        service.ensure(Some(*user), None, None).token();
    }

    let plans = plans.lock().unwrap();
    for scans in index_scans(&plans) {
        assert!(scans >= 2 * users.len(), "too few plans were seen: {scans}");
    }
    drop(plans);
    the_policy_reads_one_row_by_index_and_the_claim_once(&stack, users[0]);
    deleting_a_user_finds_the_mapping_by_index(&stack, users[1]);
}

fn the_policy_reads_one_row_by_index_and_the_claim_once(stack: &Stack, user: Uuid) {
    stack.service().ensure(Some(user), None, None).token();
    let mut session = stack.session(user);
    for sql in [
        "SELECT * FROM public.cometchat_users",
        "SELECT cometchat_auth_token FROM public.cometchat_users WHERE cometchat_uid <> 'x'",
        "SELECT count(*) FROM public.cometchat_users",
    ] {
        let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}");
        let plan: Value = session.client.query_one(&explain, &[]).expect(sql).get(0);

        assert_eq!(index_scans(&[plan[0].clone()]), [0, 1, 0], "{sql}");
        let mut once = 0;
        walk(&plan[0]["Plan"], &mut |node| {
            if node["Parent Relationship"] == "InitPlan" {
                assert_eq!(node["Actual Loops"], 1, "{sql}");
                once += 1;
            }
            assert_ne!(node["Parent Relationship"], "SubPlan", "{sql}");
        });
        assert_eq!(once, 1, "{sql}");
    }
}

fn deleting_a_user_finds_the_mapping_by_index(stack: &Stack, user: Uuid) {
    let (mut client, plans) = explained(stack);
    client.execute("DELETE FROM auth.users WHERE id = $1", &[&user]).unwrap();
    let plans = plans.lock().unwrap();
    let about_us: Vec<Value> = plans
        .iter()
        .filter(|plan| plan["Query Text"].to_string().contains("cometchat_users"))
        .cloned()
        .collect();
    assert_eq!(index_scans(&about_us), [0, 1, 0]);
}
