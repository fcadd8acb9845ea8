//! A caller's session, and what a call answers.

use postgres::Client;
use serde_json::Value;
use uuid::Uuid;

/// The answer of one of the three functions, as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer(pub Value);

impl Answer {
    pub fn success(&self) -> bool {
        self.0["success"].as_bool().expect("success is always there")
    }

    /// The token of a successful answer.
    #[track_caller]
    pub fn token(&self) -> String {
        assert!(self.success(), "not a success: {}", self.0);
        self.0["authToken"].as_str().expect("a token").to_owned()
    }

    pub fn uid(&self) -> Option<&str> {
        self.0["cometchatUid"].as_str()
    }

    /// The errorCode of an answer that is no success.
    #[track_caller]
    pub fn code(&self) -> &str {
        assert!(!self.success(), "not an error: {}", self.0);
        self.0["errorCode"].as_str().expect("an errorCode")
    }

    pub fn error(&self) -> &str {
        self.0["error"].as_str().unwrap_or_default()
    }

    pub fn queued(&self) -> bool {
        self.0["queued"] == true
    }
}

/// A session with a role in force.
pub struct Session {
    pub client: Client,
}

impl Session {
    /// What PostgREST does for a signed-in user: logged in as `authenticator`, then the role and
    /// the claims of the request. (It does so for one transaction; here it holds for the session.)
    pub fn authenticated(client: Client, user: Uuid) -> Session {
        let claims = serde_json::json!({"sub": user.to_string(), "role": "authenticated"});
        Session::claiming(client, &claims.to_string())
    }

    /// A session of `authenticated` with these claims, such as they are.
    pub fn claiming(mut client: Client, claims: &str) -> Session {
        client.batch_execute("SET ROLE authenticated").expect("set role");
        let sql = "SELECT set_config('request.jwt.claims', $1, false)";
        client.execute(sql, &[&claims]).expect(sql);
        Session { client }
    }

    /// A session whose role is already what it should be.
    pub fn of(client: Client) -> Session {
        Session { client }
    }

    #[track_caller]
    pub fn ensure(
        &mut self,
        user: Option<Uuid>,
        name: Option<&str>,
        email: Option<&str>,
    ) -> Answer {
        self.try_ensure(user, name, email).expect("an answer, not an error")
    }

    /// The same where an error may be raised.
    pub fn try_ensure(
        &mut self,
        user: Option<Uuid>,
        name: Option<&str>,
        email: Option<&str>,
    ) -> Result<Answer, postgres::Error> {
        let sql = "SELECT public.cometchat_ensure_user($1, $2, $3)";
        Ok(Answer(self.client.query_one(sql, &[&user, &name, &email])?.get(0)))
    }

    #[track_caller]
    pub fn refresh(&mut self, user: Option<Uuid>) -> Answer {
        self.call("SELECT public.cometchat_refresh_token($1)", user)
    }

    #[track_caller]
    pub fn revoke(&mut self, user: Option<Uuid>) -> Answer {
        self.call("SELECT public.cometchat_revoke_tokens($1)", user)
    }

    #[track_caller]
    fn call(&mut self, sql: &str, user: Option<Uuid>) -> Answer {
        Answer(self.client.query_one(sql, &[&user]).expect("an answer, not an error").get(0))
    }

    #[track_caller]
    pub fn execute(&mut self, sql: &str) {
        self.client.batch_execute(sql).expect(sql);
    }

    /// The SQLSTATE of a statement that has to fail.
    #[track_caller]
    pub fn sqlstate(&mut self, sql: &str) -> String {
        let error = self.client.batch_execute(sql).expect_err(sql);
        error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
    }
}
