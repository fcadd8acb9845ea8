//! Databases that are not UTF-8: what CometChat gets is what the text says, and not a byte more.

use std::collections::HashMap;

use postgres::types::ToSql;
use scenarios::{eventually, in_each_encoding, Encoding, Findings, Reader, Session, Stack};
use serde_json::{json, Value};
use simulator::{Recorded, DEV_API_KEY};
use uuid::Uuid;

/// Text of the database from its bytes. A client can only send what its own encoding, UTF-8, has.
const TEXT: &str = "convert_from($2::bytea, getdatabaseencoding())";

in_each_encoding! {
    names_that_people_have_arrive_as_they_are,
    a_name_given_as_argument_arrives_and_nothing_else_does,
    a_name_in_the_metadata_arrives_and_nothing_else_does,
    an_email_arrives_and_nothing_else_does,
    overrides_arrive_and_nothing_else_does,
    a_claim_next_to_sub_keeps_nobody_out,
    a_mapped_uid_is_asked_for_as_it_is_written,
    sign_ups_arrive_through_the_worker_and_nothing_else_does,
}

fn address(n: usize) -> String {
    format!("u{n}@example.com")
}

/// Signs a user up for each of these e-mails and metadata, which are bytes of the database's.
fn sign_up(stack: &Stack, users: &[(Vec<u8>, Vec<u8>)]) -> Vec<Uuid> {
    let mut client = stack.db.connect("supabase_auth_admin");
    let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data)
               VALUES ($1, convert_from($2, getdatabaseencoding()),
                       convert_from($3, getdatabaseencoding())::jsonb)";
    let insert = client.prepare(sql).expect(sql);
    let one = |(email, metadata): &(Vec<u8>, Vec<u8>)| {
        let id = Uuid::new_v4();
        client.execute(&insert, &[&id, email, metadata]).expect(sql);
        id
    };
    users.iter().map(one).collect()
}

/// A user for each name, with that name in the metadata.
fn sign_up_named(stack: &Stack, names: &[Vec<u8>]) -> Vec<Uuid> {
    let metadata = |name: &Vec<u8>| [b"{\"full_name\": \"", &name[..], b"\"}"].concat();
    let users: Vec<_> =
        names.iter().enumerate().map(|(n, name)| (address(n).into(), metadata(name))).collect();
    sign_up(stack, &users)
}

/// `count` users without a name.
fn sign_up_nameless(stack: &Stack, count: usize) -> Vec<Uuid> {
    sign_up(stack, &(0..count).map(|n| (address(n).into(), b"{}".to_vec())).collect::<Vec<_>>())
}

fn fallback(user: Uuid) -> String {
    format!("User {}", &user.to_string()[..8])
}

/// Calls `ensure_user` with `$1` for the user and notes what is wrong: an error, an answer without
/// a token, or a request that is not exactly the creation of `want`.
fn ensure(
    (stack, session, findings): (&Stack, &mut Session, &mut Findings),
    (case, sql, args): (&[u8], &str, &[&(dyn ToSql + Sync)]),
    want: Value,
) {
    match session.client.query_one(sql, args) {
        Err(error) => findings.raised(case, &error),
        Ok(row) => {
            let answer: Value = row.get(0);
            findings.look(case, &answer["success"], &json!(true));
            findings.look(case, &answer["cometchatUid"], &want["uid"]);
        }
    }
    let requests = stack.chat.take_requests();
    let mine = want["metadata"]["@private"]["email"].as_str().unwrap_or_default();
    findings.look_for_secrets(&requests, |_| mine.to_owned());
    let bodies: Vec<&Value> = requests.iter().map(|request| &request.body).collect();
    findings.look(case, bodies, vec![&want]);
}

fn created(user: Uuid, name: Option<String>, email: &str) -> Value {
    json!({"uid": user.to_string(), "name": name.unwrap_or_else(|| fallback(user)),
           "withAuthToken": true, "metadata": {"@private": {"email": email}}})
}

fn names_that_people_have_arrive_as_they_are(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let (mut service, mut findings) = (stack.service(), Findings::default());
    let names: Vec<Vec<u8>> = encoding.known().iter().map(|(bytes, _)| bytes.to_vec()).collect();
    let users = sign_up_named(&stack, &names);
    for (n, (bytes, says)) in encoding.known().into_iter().enumerate() {
        let want = created(users[n], Some(says.to_owned()), &address(n));
        let call = (bytes, "SELECT cometchat_ensure_user($1)", &[&users[n] as _][..]);
        ensure((&stack, &mut service, &mut findings), call, want);
    }
    findings.are_none(4);
}

fn a_name_given_as_argument_arrives_and_nothing_else_does(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    let (mut service, mut findings) = (stack.service(), Findings::default());
    let names = encoding.names();
    let users = sign_up_nameless(&stack, names.len());
    let sql = format!("SELECT cometchat_ensure_user($1, {TEXT})");
    for (n, name) in names.iter().enumerate() {
        let want = created(users[n], reader.name(name), &address(n));
        let call = (&name[..], &*sql, &[&users[n] as _, name as _][..]);
        ensure((&stack, &mut service, &mut findings), call, want);
    }
    findings.are_none(500);
}

fn a_name_in_the_metadata_arrives_and_nothing_else_does(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    let (mut service, mut findings) = (stack.service(), Findings::default());
    let names = encoding.names();
    let users = sign_up_named(&stack, &names);
    for (n, name) in names.iter().enumerate() {
        let want = created(users[n], reader.name(name), &address(n));
        let call = (&name[..], "SELECT cometchat_ensure_user($1)", &[&users[n] as _][..]);
        ensure((&stack, &mut service, &mut findings), call, want);
    }
    findings.are_none(500);
}

fn an_email_arrives_and_nothing_else_does(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    let (mut service, mut findings) = (stack.service(), Findings::default());
    // As long as the column is wide.
    let parts: Vec<Vec<u8>> =
        encoding.names().into_iter().filter(|name| name.len() < 150).collect();
    let email = |n: usize, part: &[u8]| [format!("u{n}@").as_bytes(), part].concat();
    let rows = parts.iter().enumerate().map(|(n, part)| (email(n, part), b"{}".to_vec()));
    let users = sign_up(&stack, &rows.collect::<Vec<_>>());
    for (n, part) in parts.iter().enumerate() {
        let email = email(n, part);
        let want = created(users[n], None, &reader.say(&email));
        let call = (&email[..], "SELECT cometchat_ensure_user($1)", &[&users[n] as _][..]);
        ensure((&stack, &mut service, &mut findings), call, want);
    }
    findings.are_none(500);
}

fn overrides_arrive_and_nothing_else_does(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    let (mut service, mut findings) = (stack.service(), Findings::default());
    // A tag has a hundred characters at most.
    let texts: Vec<Vec<u8>> = encoding.names().into_iter().filter(|text| text.len() < 90).collect();
    let users = sign_up_nameless(&stack, texts.len());
    for (n, text) in texts.iter().enumerate() {
        let shape = r#"{"name": "~", "tags": ["-~"], "metadata": {"deep": [{"~": "~"}]}}"#;
        let profile: Vec<&[u8]> = shape.as_bytes().split(|b| *b == b'~').collect();
        let sql = format!("SELECT cometchat.enqueue($1, {TEXT}::jsonb)");
        let profile = profile.join(&text[..]);
        service.client.execute(&sql, &[&users[n], &profile]).expect(&sql);

        let says = reader.say(text);
        let mut want = created(users[n], reader.name(text), &address(n));
        want["tags"] = json!([format!("-{says}")]);
        want["metadata"]["deep"] = json!([{ says.as_str(): says }]);
        let call = (&text[..], "SELECT cometchat_ensure_user($1)", &[&users[n] as _][..]);
        ensure((&stack, &mut service, &mut findings), call, want);
    }
    findings.are_none(500);
}

fn a_claim_next_to_sub_keeps_nobody_out(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    let token = session.ensure(None, None, None).token();
    let mut findings = Findings::default();
    for text in encoding.names().iter().filter(|text| text.len() < 1000) {
        let claims = format!(r#"{{"role": "authenticated", "sub": "{ada}", "name": ""#);
        let claims = [claims.as_bytes(), text, b"\"}"].concat();
        // The value itself could not be shown to the client.
        let set = format!("SELECT set_config($1, {TEXT}, false) IS NULL");
        session.client.execute(&set, &[&"request.jwt.claims", &claims]).expect(&set);
        match session.try_ensure(None, None, None) {
            Err(error) => findings.raised(text, &error),
            Ok(answer) => findings.look(text, &answer.0["authToken"], &json!(token)),
        }
    }
    findings.are_none(200);
}

fn a_mapped_uid_is_asked_for_as_it_is_written(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    let (mut service, mut findings) = (stack.service(), Findings::default());
    let texts: Vec<Vec<u8>> = encoding.names().into_iter().filter(|text| text.len() < 90).collect();
    let users = sign_up_nameless(&stack, texts.len());
    let sql = format!(
        "INSERT INTO cometchat_users (user_id, cometchat_uid) VALUES ($1, 'n' || $3 || {TEXT})"
    );
    for (n, text) in texts.iter().enumerate() {
        let number = n.to_string(); // some that cannot be converted say the same
        service.client.execute(&sql, &[&users[n], text, &number]).expect(&sql);
        match service.try_ensure(Some(users[n]), None, None) {
            // CometChat has no such uids, and says so.
            Ok(answer) => findings.look(text, answer.0["errorCode"].is_string(), true),
            Err(error) => findings.raised(text, &error),
        }
        let asked = stack.chat.take_requests();
        findings.look_for_secrets(&asked, |_| address(n));
        let uids: Vec<&Value> = asked.iter().map(|request| &request.body["uid"]).collect();
        let uid = json!(format!("n{number}{}", reader.say(text)));
        // A uid with a control character is refused before it is sent.
        let refused = reader.say(text).contains(char::is_control);
        findings.look(text, uids, if refused { vec![] } else { vec![&uid] });
    }
    findings.are_none(500);
}

fn sign_ups_arrive_through_the_worker_and_nothing_else_does(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let mut findings = Findings::default();
    let names = encoding.names();
    let users = sign_up_named(&stack, &names);
    let left = "SELECT concat(pending, ' ', failed) FROM cometchat.progress";
    eventually("all have arrived", || stack.value(left).as_deref() == Some("0 0"));

    let requests = stack.chat.take_requests();
    let numbers: HashMap<String, usize> =
        users.iter().enumerate().map(|(n, user)| (user.to_string(), n)).collect();
    let number = |request: &Recorded| numbers.get(request.uid.as_deref()?).copied();
    findings.look_for_secrets(&requests, |r| number(r).map(address).unwrap_or_default());
    for (n, name) in names.iter().enumerate() {
        let sent: Vec<&Value> =
            requests.iter().filter(|r| number(r) == Some(n)).map(|r| &r.body).collect();
        findings.look(name, sent, vec![&created(users[n], reader.name(name), &address(n))]);
    }
    findings.are_none(500);
    let log = stack.db.cluster().log();
    assert!(!log.contains(DEV_API_KEY), "the key is in the log");
}
