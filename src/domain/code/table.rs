//! The table itself.

use super::{Retry, Row};
use crate::domain::audit::kind::Outcome;

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $outcome:ident $retry:ident [$($fact:literal)*]
       $title:literal $sentence:literal $advice:literal;)*) => {
        /// A stable error code, the same on every face.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $sentence] $name,)* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(super) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => &Row {
                        code: $code,
                        status: $status,
                        outcome: Outcome::$outcome,
                        retry: Retry::$retry,
                        facts: &[$($fact),*],
                        title: $title,
                        sentence: $sentence,
                        advice: $advice,
                    },)*
                }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 Client No ["field"]
        "Invalid request" "The request is not valid."
        "The message says what is wrong and, where there are choices, which there are; `field` names the place in the \
         body. Correct that field and send the request again. The reference shows the body of every operation with an \
         example.";
    InvalidJson "invalid_json" 400 Client No []
        "Invalid JSON" "The request body is not the JSON that this operation takes."
        "The message says at which line and column the text stops being JSON, or which field stands twice. Let a JSON \
         library write the body rather than putting strings together, send it as UTF-8 without a byte order mark, and \
         look for quotes that a shell took away.";
    UnknownField "unknown_field" 400 Client No ["field"]
        "Unknown field" "The request body has a field that this operation does not know."
        "Nothing is silently ignored, because a misspelt field would be lost without a word. `field` names it: correct \
         its spelling or leave it out. The reference lists the fields of every operation.";
    InvalidParameter "invalid_parameter" 400 Client No ["parameter"]
        "Invalid parameter" "A parameter of the request is not valid."
        "`parameter` names it, and the message says what it may be or which parameters there are. Each parameter is \
         given once, percent-encoded as UTF-8. A page size over the maximum is refused rather than cut, so that a \
         client never takes a part for the whole.";
    InvalidCursor "invalid_cursor" 400 Client No []
        "Invalid cursor" "The cursor does not belong to this list; start again without one."
        "A cursor is `next_cursor` of the page before, as it was given, together with the same filters and the same \
         order; it is good for one organization only. Ask for the list without `cursor` and follow the cursors from \
         there.";
    InvalidSql "invalid_sql" 400 Client No ["line" "column"]
        "Invalid SQL" "The query is not one that can be run."
        "The message says what is the matter, and `line` and `column` say where when that is known. A query is one \
         `SELECT` over the tables of your data sources; the data source's page lists its tables and columns. Names \
         that contain capitals or spaces are written in double quotes, text in single quotes.";
    TwoCredentials "two_credentials" 400 Client No []
        "Two credentials" "The request has more than one credential; send one."
        "Send the key or token once: as `Authorization: Bearer …`, or the key as `X-API-Key`. Look for a header that a \
         library, a proxy or a stored configuration adds to the one that you set. Two are refused even when they are \
         equal, because it would be a guess which of them is meant.";
    CredentialsMissing "credentials_missing" 401 Refused No []
        "Credentials missing" "Send an API key or a session token: `Authorization: Bearer …`, or a key as `X-API-Key`."
        "Add the header `Authorization: Bearer` with your API key or the access token of a session, or `X-API-Key` with \
         the key. If the header is set, look for a redirect on the way: clients drop it when a redirect leads to \
         another host. Keys are made with `claribi key create` or by `POST /v1/keys`.";
    InvalidKey "invalid_key" 401 Refused No []
        "Invalid API key" "The API key is not valid; check that it was copied whole, or use another."
        "A key is `claribi_sk_live_` or `claribi_sk_test_` and 36 characters; its end is a checksum, so a key that was \
         cut or changed by one character is refused at once. Check for spaces, quotes and line breaks around it, and \
         that it belongs to this server: test keys are for sandbox organizations, live keys for the others. A key is \
         shown once; one that is lost is replaced by another.";
    KeyRevoked "key_revoked" 401 Refused No []
        "API key revoked" "The API key was revoked; use another."
        "A revoked key never works again. Make another with \
         `claribi key create` or `POST /v1/keys`, and put it where the old one was.";
    KeyExpired "key_expired" 401 Refused No []
        "API key expired" "The API key has expired; use another."
        "The time at which a key ends is set when it is made. Make another with `claribi key create` or \
         `POST /v1/keys`, and replace it before `expires_at` the next time.";
    KeyInUrl "key_in_url" 401 Refused No []
        "API key in URL" "API keys belong in a header, never in a URL; revoke this one if it was real."
        "Send the key as `Authorization: Bearer …` or `X-API-Key`. A URL is written to the logs of proxies, to browser \
         histories and to `Referer` headers, so take a key that stood in one for known to others: revoke it and make \
         another.";
    InvalidToken "invalid_token" 401 Refused No []
        "Invalid token" "The session token is not valid; log in or refresh it."
        "An access token lives for an hour: send the refresh token to `POST /api/auth/refresh/`, or log in again at \
         `POST /api/auth/login/`. A session ends early when its user changes the password or is deactivated. The \
         `Authorization` header takes the scheme `Bearer` and no other.";
    InvalidLogin "invalid_login" 401 Refused No []
        "Invalid login" "E-mail and password do not match; check both."
        "Check both, also for spaces that were copied along. The answer is the same for an unknown e-mail, a wrong \
         password and a deactivated user, so that nobody can find out who has an account; who administers the \
         organization can see which it is.";
    InsufficientCredits "insufficient_credits" 402 Limited No ["credits_remaining" "estimated_cost"]
        "Insufficient credits" "There are not enough credits for this operation."
        "`estimated_cost` is what the operation may take, `credits_remaining` what is left this month. Ask for less \
         (fewer data sources, fewer widgets, CSV or JSON in place of PDF), wait for the first day of the next month, or \
         let whoever operates the server grant more. Nothing was done and nothing was taken.";
    PermissionMissing "permission_missing" 403 Refused No ["permission" "refused_by" "role" "scope"]
        "Permission missing" "The caller is not allowed to do this."
        "What a key may do is what its owner's role allows and what the key itself was given. `permission` is what is \
         missing, and `refused_by` says which of the two took it away. With `scope`, use a key that was given the \
         permission; with `role`, let an owner or administrator of the organization change the role.";
    PlanRequired "plan_required" 403 Refused No ["refused_by" "plan" "needed_plan"]
        "Plan required" "The organization's plan does not include this."
        "`plan` is the plan that the organization has, `needed_plan` one that includes what was asked. Plans are set by \
         whoever operates the server, and what they include is part of its configuration. Sessions work on every plan.";
    AddressNotAllowed "address_not_allowed" 403 Refused No ["refused_by" "address"]
        "Address not allowed" "The key may not be used from this address."
        "The key has a list of networks and may be used from these only. `address` is where the server saw the request \
         come from: behind a proxy that is not in `server.trusted_proxies` it is the proxy's. Call from a listed \
         network, or use a key whose list has this one.";
    HttpsRequired "https_required" 403 Refused No []
        "HTTPS required" "Requests must come over HTTPS."
        "Use `https://` in the address. If the server stands behind a proxy that ends TLS, its operator lists the \
         proxy's address in `server.trusted_proxies`, and the proxy sends `X-Forwarded-Proto: https`. Plain HTTP is \
         served on loopback addresses only. There is no redirect, because the credential would have been sent in the \
         clear by then: replace it if it was.";
    TrialEnded "trial_ended" 403 Refused No ["refused_by" "plan" "needed_plan"]
        "Trial ended" "The organization's trial has ended; reading still works, and another plan allows the rest."
        "Everything that was made during the trial can still be read and queried. To create, change, refresh and \
         generate again, let whoever operates the server give the organization another plan: `needed_plan` is one. Keys \
         and people can still be revoked, deactivated and removed.";
    SetupRequired "setup_required" 403 Refused No []
        "Setup required" "The installation is not set up yet; open the link that `claribi serve` printed when it started."
        "There is no organization yet, so nobody can have a key or log in. The operator opens the link that \
         `claribi serve` prints at its start, which is good for 30 minutes and once, and makes the first owner; starting \
         the server again prints a new one. After that everything else works at once.";
    NotFound "not_found" 404 Client No []
        "Not found" "The requested resource does not exist."
        "Check the path and the id. An id belongs to one organization: what another one owns is answered as if it did \
         not exist. Deleted objects stay gone, and ids are never given again. Lists show what is there; the reference \
         shows which paths there are.";
    MethodNotAllowed "method_not_allowed" 405 Client No []
        "Method not allowed" "The resource does not have this method."
        "The header `Allow` lists the methods of this path. A POST that arrives as GET has usually been through a \
         redirect on the way: call the final address, with the right scheme and host, at once.";
    NotAcceptable "not_acceptable" 406 Client No []
        "Not acceptable" "The answer cannot be given in any media type that the request accepts."
        "The message lists what the operation can answer with. Put one of these in `Accept`, or leave the header out.";
    RequestTimeout "request_timeout" 408 Client SameKey []
        "Request timeout" "The request body did not arrive in time; send it again."
        "The body paused for too long or came too slowly. Send it again over a better connection, in one piece; large \
         files become smaller as `.gz` or `.zst`. The operator can allow more by `server.body_timeout`.";
    Conflict "conflict" 409 Client No []
        "Conflict" "The request does not fit the present state."
        "The message says what stands in the way, such as a name that is taken. Change the request or remove what is in \
         its way, then send it again.";
    RequestInProgress "request_in_progress" 409 Client Later []
        "Request in progress" "A request with this Idempotency-Key is still running; ask again in a moment."
        "The first request with this `Idempotency-Key` has not been answered yet. Wait as long as `Retry-After` says and \
         send the same again: once the first one is done, you are given its answer.";
    AlreadyRotating "already_rotating" 409 Client No []
        "Already rotating" "The key is being rotated already."
        "The key has a successor, and both work until the grace period ends. Use the successor; if it was lost, revoke \
         it and make another key.";
    NotReady "not_ready" 409 Client Later []
        "Not ready" "The result is not there yet; ask again in a moment."
        "What was asked for is still being made: a run that is not over, or a data source that is being read. Ask for \
         its status until it says that it is done, then send the request again. A run that failed never has a file; \
         its `error` says why.";
    PreconditionFailed "precondition_failed" 412 Client No []
        "Precondition failed" "The object has changed since it was read; read it again and repeat the change."
        "`If-Match` named a version that is no longer the present one: somebody else has changed the object. Read it \
         again, look at what is different, make your change to that, and send it with the new `ETag`.";
    TooLarge "too_large" 413 Client No ["limit"]
        "Too large" "The request body is larger than this operation takes."
        "`limit` is the most bytes that the operation takes. Send files as uploads rather than in JSON, compress them to \
         `.gz` or `.zst`, or split them. The operator sets the limits in the section `server` of the configuration.";
    UnsupportedMediaType "unsupported_media_type" 415 Client No []
        "Unsupported media type" "The request body is in a media type that this operation does not take."
        "The message says what it takes: `Content-Type: application/json` for nearly all, `multipart/form-data` for \
         uploads. With curl, `-d` alone sends a form: add `-H 'Content-Type: application/json'` or use `--json`. \
         JSON is read as UTF-8 only.";
    RangeNotSatisfiable "range_not_satisfiable" 416 Client No []
        "Range not satisfiable" "The file has no bytes in the range that is asked for."
        "The message and the header `Content-Range` say how long the file is. Ask for a range that begins within it, or \
         leave `Range` out for the whole. With `If-Range` and the file's `ETag` a download that goes on is never of \
         another file.";
    MisdirectedRequest "misdirected_request" 421 Refused No []
        "Misdirected request" "This server does not answer for that host; call it by its own name."
        "The header `Host` names a host that is not this server's. Call it as `localhost` or by its own name; the \
         operator lists further names in `server.hosts` or sets `server.public_url`. The check keeps web pages of \
         others from reaching a server on your machine.";
    IdempotencyMismatch "idempotency_mismatch" 422 Client No []
        "Idempotency mismatch" "The Idempotency-Key was used with another request."
        "An `Idempotency-Key` stands for one request, with its path and its body, for 24 hours. Send the first request \
         unchanged to have its answer again, or use a new key for a new request; a random UUID for each is best.";
    InvalidFile "invalid_file" 422 Client No []
        "Invalid file" "The file cannot be read."
        "The message says what is the matter, and where. Files are CSV, TSV, JSON, NDJSON, Parquet, Arrow, XLSX or \
         ODS, plain or as `.gz` or `.zst`. Correct the file and send it again; nothing of the failed upload is kept.";
    SourceUnavailable "source_unavailable" 422 Client Later []
        "Source unavailable" "The data source cannot be reached, or does not give its data."
        "The message says what happened. Check the address by hand from the machine of the server, and whether what opens \
         it (`secret`) is still good. Places that are not on the public Internet are open to data sources when whoever \
         operates the server lists them in `outbound.allow`. The data of before stays until a sync succeeds.";
    QueryTimeout "query_timeout" 422 Client No []
        "Query timeout" "The query took too long and was stopped; ask for less."
        "Let the query read less: filter early, name the columns that are needed, and check that every join has its \
         condition. Add up by groups rather than fetching rows. The operator sets the longest time by \
         `worker.query_timeout`, and for a plan by its own `query_timeout`; that of \
         imports, refreshes and reports by `worker.job_timeout`.";
    QueryTooLarge "query_too_large" 422 Client No []
        "Query too large" "The query needs more memory, or gives a larger result, than is allowed."
        "Ask for fewer columns and rows, or add up by groups; sorting and joining large tables take the most memory. \
         Fetch what is really needed in parts, by a filter. The operator sets the limits in the section `worker` of the \
         configuration, and lower ones for a plan in its own.";
    QueryCanceled "query_canceled" 422 Client No []
        "Query canceled" "The query was called off before it was done; send it again if it is still wanted."
        "Somebody of the organization ended it by `POST /v1/query/running/{id}/cancel`: whoever asked for it, with the \
         same or another credential, or an administrator. The audit log says who. Nothing of the result is kept.";
    RateLimited "rate_limited" 429 Limited Later ["window" "limit" "retry_after"]
        "Rate limited" "Too many requests; wait and try again."
        "Wait `retry_after` seconds, as the header `Retry-After` says too. A request that a window refused was not counted; \
         one that was refused because too many streams or uploads are open was. Every answer tells how much is left: \
         `X-RateLimit-Remaining` of one window, `RateLimit` of all of them. Spread requests out, keep what you have \
         read, and ask for larger pages. Hours and days belong to the plan, minutes and logins to the server's \
         configuration.";
    Internal "internal" 500 Server SameKey []
        "Internal error" "Something failed on the server; whoever operates it finds the cause by the request id."
        "This is not the client's fault. Send the request again; if it fails again, give the request id to whoever \
         operates the server: the cause stands beside it in the server's log.";
    Overloaded "overloaded" 503 Server Later []
        "Overloaded" "The server is busy; try again in a moment."
        "Too much was asked at once, by you or by others; the request was not carried out. Wait as long as \
         `Retry-After` says, and double the wait each time that it happens again.";
    AuditUnavailable "audit_unavailable" 503 Server Later []
        "Audit unavailable" "The audit log cannot be written, so no call is served; try again later."
        "Nothing is done that cannot be written down. The operator of the server has to look: most often the disk is \
         full, and `/readyz` says when it is over. Wait as long as `Retry-After` says and send the request again.";
    StorageUnavailable "storage_unavailable" 503 Server Later []
        "Storage unavailable" "The server cannot write its data; try again later."
        "Nothing of the request was done. The operator of the server has to look: most often the disk is full, \
         or less is free than `sources.free_disk`, and the cause stands beside the request's id in the server's log. Reading works on. Wait as long as `Retry-After` says \
         and send the request again.";
}
