//! From method and path to an operation.

use percent_encoding::percent_decode_str;

/// The operations of the users API, and `Unknown` for all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    CreateUser,
    ListUsers,
    GetUser,
    UpdateUser,
    DeleteUser,
    DeactivateUsers,
    ReactivateUsers,
    CreateToken,
    ListTokens,
    FlushTokens,
    GetToken,
    UpdateToken,
    DeleteToken,
    ImportUsers,
    Unknown,
}

use Operation::*;

impl Operation {
    pub const ALL: [Operation; 15] = [
        CreateUser,
        ListUsers,
        GetUser,
        UpdateUser,
        DeleteUser,
        DeactivateUsers,
        ReactivateUsers,
        CreateToken,
        ListTokens,
        FlushTokens,
        GetToken,
        UpdateToken,
        DeleteToken,
        ImportUsers,
        Unknown,
    ];

    /// The name used in fault scopes, records and counters.
    pub fn name(self) -> &'static str {
        match self {
            CreateUser => "create_user",
            ListUsers => "list_users",
            GetUser => "get_user",
            UpdateUser => "update_user",
            DeleteUser => "delete_user",
            DeactivateUsers => "deactivate_users",
            ReactivateUsers => "reactivate_users",
            CreateToken => "create_token",
            ListTokens => "list_tokens",
            FlushTokens => "flush_tokens",
            GetToken => "get_token",
            UpdateToken => "update_token",
            DeleteToken => "delete_token",
            ImportUsers => "import_users",
            Unknown => "unknown",
        }
    }
}

/// An operation with the identifiers of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub operation: Operation,
    /// Lower-cased, as the server does also in paths (QA).
    pub uid: Option<String>,
    pub token: Option<String>,
}

impl Route {
    pub fn of(method: &str, path: &str) -> Route {
        let segments: Vec<String> = match path.strip_prefix("/v3/") {
            Some(rest) => rest
                .split('/')
                .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
                .collect(),
            None => Vec::new(),
        };
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        // An empty segment never names a user: `DELETE /users/` must not become the bulk call.
        let named = !parts.iter().any(|part| part.is_empty());
        let operation = match (method, parts.as_slice()) {
            _ if !named => Unknown,
            ("POST", ["users"]) => CreateUser,
            ("GET", ["users"]) => ListUsers,
            ("PUT", ["users"]) => ReactivateUsers,
            ("DELETE", ["users"]) => DeactivateUsers,
            ("GET", ["users", _]) => GetUser,
            ("PUT", ["users", _]) => UpdateUser,
            ("DELETE", ["users", _]) => DeleteUser,
            ("POST", ["users", _, "auth_tokens"]) => CreateToken,
            ("GET", ["users", _, "auth_tokens"]) => ListTokens,
            ("DELETE", ["users", _, "auth_tokens"]) => FlushTokens,
            ("GET", ["users", _, "auth_tokens", _]) => GetToken,
            ("PUT", ["users", _, "auth_tokens", _]) => UpdateToken,
            ("DELETE", ["users", _, "auth_tokens", _]) => DeleteToken,
            ("POST", ["data_import", "users"]) => ImportUsers,
            _ => Unknown,
        };
        let known_users = operation != Unknown && parts[0] == "users";
        let part = |n: usize| parts.get(n).filter(|_| known_users).map(|part| part.to_string());
        Route { operation, uid: part(1).map(|uid| uid.to_lowercase()), token: part(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_operations() {
        let route = Route::of("PUT", "/v3/users/Ann%2d1/auth_tokens/x_1");
        assert_eq!(route.operation, UpdateToken);
        assert_eq!(route.uid.as_deref(), Some("ann-1"));
        assert_eq!(route.token.as_deref(), Some("x_1"));
        assert_eq!(Route::of("DELETE", "/v3/users").operation, DeactivateUsers);
        for (method, path) in
            [("DELETE", "/v3/users/"), ("PATCH", "/v3/users/a"), ("GET", "/v2/users"), ("GET", "/")]
        {
            assert_eq!(Route::of(method, path).operation, Unknown, "{method} {path}");
        }
    }
}
