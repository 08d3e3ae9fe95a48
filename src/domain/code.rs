//! The one table of error codes (PRODUCT 8.2): status, title, sentence and what becomes of the call in the audit.

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $title:literal $sentence:literal;)*) => {
        /// A stable error code, the same on every face.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $sentence] $name,)* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A few words: the `error` of the `/api/v1/` face.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means in general: the `message` of the `/api/` face.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 "Invalid request" "The request is not valid.";
    InvalidJson "invalid_json" 400 "Invalid JSON" "The request body is not the JSON that this operation takes.";
    UnknownField "unknown_field" 400 "Unknown field" "The request body has a field that this operation does not know.";
    InvalidParameter "invalid_parameter" 400 "Invalid parameter" "A parameter of the request is not valid.";
    InvalidCursor "invalid_cursor" 400 "Invalid cursor" "The cursor does not belong to this list; start again without one.";
    InvalidSql "invalid_sql" 400 "Invalid SQL" "The query is not one that can be run.";
    TwoCredentials "two_credentials" 400 "Two credentials" "Send one credential, not two.";
    CredentialsMissing "credentials_missing" 401 "Credentials missing" "Send an API key or a session token.";
    InvalidKey "invalid_key" 401 "Invalid API key" "The API key is not valid.";
    KeyRevoked "key_revoked" 401 "API key revoked" "The API key was revoked.";
    KeyExpired "key_expired" 401 "API key expired" "The API key has expired.";
    KeyInUrl "key_in_url" 401 "API key in URL" "API keys belong in a header, never in a URL.";
    InvalidToken "invalid_token" 401 "Invalid token" "The session token is not valid; log in or refresh it.";
    InvalidLogin "invalid_login" 401 "Invalid login" "E-mail and password do not match.";
    InsufficientCredits "insufficient_credits" 402 "Insufficient credits" "There are not enough credits for this operation.";
    PermissionMissing "permission_missing" 403 "Permission missing" "The caller is not allowed to do this.";
    PlanRequired "plan_required" 403 "Plan required" "The organization's plan does not include this.";
    AddressNotAllowed "address_not_allowed" 403 "Address not allowed" "The key may not be used from this address.";
    HttpsRequired "https_required" 403 "HTTPS required" "Requests must come over HTTPS.";
    TrialEnded "trial_ended" 403 "Trial ended" "The organization's trial has ended; reading still works.";
    NotFound "not_found" 404 "Not found" "The requested resource does not exist.";
    MethodNotAllowed "method_not_allowed" 405 "Method not allowed" "The resource does not have this method.";
    NotAcceptable "not_acceptable" 406 "Not acceptable" "The answer cannot be given in any media type that the request accepts.";
    RequestTimeout "request_timeout" 408 "Request timeout" "The request body did not arrive in time.";
    Conflict "conflict" 409 "Conflict" "The request does not fit the present state.";
    RequestInProgress "request_in_progress" 409 "Request in progress" "A request with this Idempotency-Key is still running.";
    AlreadyRotating "already_rotating" 409 "Already rotating" "The key is being rotated already.";
    NotReady "not_ready" 409 "Not ready" "The result is not there yet.";
    PreconditionFailed "precondition_failed" 412 "Precondition failed" "The object has changed since it was read.";
    TooLarge "too_large" 413 "Too large" "The request body is larger than this operation takes.";
    UnsupportedMediaType "unsupported_media_type" 415 "Unsupported media type" "The request body is in a media type that this operation does not take.";
    RangeNotSatisfiable "range_not_satisfiable" 416 "Range not satisfiable" "The file has no bytes in the range that is asked for.";
    MisdirectedRequest "misdirected_request" 421 "Misdirected request" "This server does not answer for that host.";
    IdempotencyMismatch "idempotency_mismatch" 422 "Idempotency mismatch" "The Idempotency-Key was used with another request.";
    InvalidFile "invalid_file" 422 "Invalid file" "The file cannot be read.";
    QueryTimeout "query_timeout" 422 "Query timeout" "The query took too long and was stopped.";
    QueryTooLarge "query_too_large" 422 "Query too large" "The query needs more memory, or gives a larger result, than is allowed.";
    RateLimited "rate_limited" 429 "Rate limited" "Too many requests; wait and try again.";
    Internal "internal" 500 "Internal error" "Something failed on the server; the request id finds it in the log.";
    Overloaded "overloaded" 503 "Overloaded" "The server is busy; try again in a moment.";
    AuditUnavailable "audit_unavailable" 503 "Audit unavailable" "The audit log cannot be written, so no call is served; try again later.";
}

impl Code {
    /// The code of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}
