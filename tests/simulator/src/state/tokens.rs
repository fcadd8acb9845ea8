//! Auth tokens: their format, and the hundred newest each user keeps.

use super::user::User;
use serde_json::{json, Map, Value};

/// Tokens a user keeps; older ones stop working (UA).
pub const TOKENS_KEPT: usize = 100;

/// One auth token.
#[derive(Clone)]
pub struct Token {
    pub text: Box<str>,
    pub created_at: u32,
    /// `platform`, `userAgent` and `appInfo`, once an update has set them.
    pub device: Option<Box<Map<String, Value>>>,
}

impl Token {
    /// The token object of answers.
    pub fn view(&self, uid: &str) -> Value {
        let mut view = json!({ "uid": uid, "authToken": self.text, "createdAt": self.created_at });
        for (name, value) in self.device.iter().flat_map(|device| device.iter()) {
            view[name.as_str()] = value.clone();
        }
        view
    }
}

impl User {
    /// Mints a token and drops those beyond the hundred newest.
    pub fn mint_token(&mut self, now: u32) -> &Token {
        // {uid}_{10 digits of time}{30 hex}: OA's examples and a captured token agree on it.
        let random = fastrand::u128(..) >> 8;
        let text = format!("{}_{now:010}{random:030x}", self.uid);
        if self.tokens.len() >= TOKENS_KEPT {
            let surplus = self.tokens.len() + 1 - TOKENS_KEPT;
            self.tokens.drain(..surplus);
        }
        self.tokens.push(Token { text: text.into(), created_at: now, device: None });
        &self.tokens[self.tokens.len() - 1]
    }

    pub fn token(&self, text: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| &*token.text == text)
    }
}
