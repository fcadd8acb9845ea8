//! The codes of the answers, in one table: text, phrase, when, what to do, and whether it passes.
//!
//! The README's and docs/error-codes.md's tables and the TypeScript client's codes are made of it, and the
//! example's words are compared with it: docs/recipes.md says how a code is added.

/// Whether the same call may succeed later though no person changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Within seconds, as a rule: the TypeScript client asks again by itself.
    Soon,
    /// Perhaps, after a while: an app asks again every now and then.
    Later,
    /// Not before the caller, an operator or CometChat changes something.
    No,
}

impl Passes {
    /// As the README says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Passes::Soon => "soon",
            Passes::Later => "later",
            Passes::No => "no",
        }
    }
}

/// The second phrase of [`ErrorCode::RateLimited`]: the limit is the caller's own.
pub const TOO_MANY_REQUESTS: &str = "Too many requests";

impl ErrorCode {
    /// The code that a text begins with, as the reasons do that are logged.
    pub fn first_of(text: &str) -> Option<ErrorCode> {
        let first = text.split(' ').next();
        ErrorCode::ALL.iter().copied().find(|code| Some(code.as_str()) == first)
    }

    /// For other processes; never 0.
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// From that number.
    pub fn from_number(number: u32) -> Option<ErrorCode> {
        ErrorCode::ALL.iter().copied().find(|code| code.number() == number)
    }
}

macro_rules! codes {
    ($($name:ident = $text:literal, $passes:ident {
        phrases: [$phrase:expr $(, $other:expr)?], when: $when:literal, what_to_do: $what_to_do:literal,
    })*) => {
        /// The stable codes that clients act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode {
            $(#[doc = $when] $name,)*
        }

        impl ErrorCode {
            /// All of them, in the order of the README.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// As it stands in answers and tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* }
            }

            /// How the answer's `error` begins; details follow after a colon.
            pub const fn phrase(self) -> &'static str {
                match self { $(ErrorCode::$name => $phrase,)* }
            }

            /// All beginnings.
            pub const fn phrases(self) -> &'static [&'static str] {
                match self { $(ErrorCode::$name => &[$phrase $(, $other)?],)* }
            }

            /// When it is answered.
            pub const fn when(self) -> &'static str {
                match self { $(ErrorCode::$name => $when,)* }
            }

            /// What the reader of the README does about it.
            pub const fn what_to_do(self) -> &'static str {
                match self { $(ErrorCode::$name => $what_to_do,)* }
            }

            /// Whether it passes by itself.
            pub const fn passes(self) -> Passes {
                match self { $(ErrorCode::$name => Passes::$passes,)* }
            }
        }
    };
}

codes! {
    NotConfigured = "NOT_CONFIGURED", No {
        phrases: ["CometChat is not properly configured"],
        when: "a setting is missing or malformed",
        what_to_do: "set or mend what it names; for a key file mind owner and mode",
    }
    Unauthorized = "UNAUTHORIZED", No {
        phrases: ["Unauthorized"],
        when: "there is no session, or the caller is neither that user nor trusted",
        what_to_do: "log in first; with e-mail confirmation on there is no session at sign-up. Ask only for yourself, or as `service_role`",
    }
    InvalidInput = "INVALID_INPUT", No {
        phrases: ["Invalid input"],
        when: "no user was named, or one that does not exist",
        what_to_do: "the user is not in `auth.users`; a server must name a user",
    }
    UserNotFound = "USER_NOT_FOUND", No {
        phrases: ["User not found in CometChat"],
        when: "CometChat does not know the user",
        what_to_do: "call `cometchat_ensure_user` instead: it creates",
    }
    UserDeactivated = "USER_DEACTIVATED", No {
        phrases: ["The user is deactivated in CometChat"],
        when: "the user is deactivated in CometChat, or banned or deleted here",
        what_to_do: "lift the ban, or reactivate in the dashboard or by a call as `service_role`",
    }
    TokenFailed = "TOKEN_FAILED", Later {
        phrases: ["Failed to generate auth token"],
        when: "the user exists, and CometChat refused to make a token",
        what_to_do: "the code after the colon is CometChat's; try again, then ask its support",
    }
    ApiKeyRejected = "API_KEY_REJECTED", No {
        phrases: ["CometChat rejected the API key"],
        when: "CometChat answered 401, 403 or `AUTH_ERR_*`",
        what_to_do: "wrong key, an Auth Key, or the key of another app or region; with `HTTP 403`, a firewall in between",
    }
    PlanLimit = "PLAN_LIMIT", No {
        phrases: ["CometChat plan limit reached"],
        when: "CometChat answered 402",
        what_to_do: "more users than the plan allows; only new users wait",
    }
    RateLimited = "RATE_LIMITED", Soon {
        phrases: ["CometChat rate limit reached", TOO_MANY_REQUESTS],
        when: "CometChat answered 429, or the caller used up a limit of its own",
        what_to_do: "try again in a minute; the second is about this user's own calls",
    }
    Timeout = "TIMEOUT", Later {
        phrases: ["CometChat did not answer in time"],
        when: "`request_timeout` passed",
        what_to_do: "try again; `request_timeout`",
    }
    Network = "NETWORK", Later {
        phrases: ["CometChat could not be reached"],
        when: "no connection could be made, or it broke",
        what_to_do: "DNS, firewall or proxy of the database server; `proxy`, `ca_file`",
    }
    ApiError = "API_ERROR", Later {
        phrases: ["CometChat answered with an error"],
        when: "CometChat, or something in its place, said anything else",
        what_to_do: "the code or status after the colon; try again",
    }
    ReadOnly = "READ_ONLY", No {
        phrases: ["The database is read-only"],
        when: "the server is a standby, or the transaction read-only",
        what_to_do: "call the primary, by POST (PostgREST's GET is read-only)",
    }
    Database = "DATABASE", Later {
        phrases: ["Database error"],
        when: "the outcome could not be written, or the user's data cannot be read",
        what_to_do: "the SQLSTATE after the colon; where `auth.users` or our table cannot be read, `cometchat.health()` says what to do",
    }
}
